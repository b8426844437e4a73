//go:build unix

// Daemon runs a server until somebody ends this program by SIGTERM or the interrupt
// key. The server and its helpers then have ten seconds to end by themselves.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
)

// The server plays the part of somebody, too.
const server = "trap 'echo stopping; exit 0' TERM; read what; echo serving $what; kill -TERM $PPID; while :; do sleep 0.01; done"

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", server)
	cmd.Stdout = os.Stdout
	cmd.Tree = true
	cmd.Stop = spawn.Graceful(10 * time.Second)
	config, err := cmd.StdinPipe()
	if err != nil {
		log.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Fprintln(config, "pages")
	if err := cmd.Wait(); !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
	fmt.Println(cmd.ProcessState)
}
