//go:build unix

// Osexec is the program daemon with os/exec. It does not wait for the helpers.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

// The server plays the part of somebody, too.
const server = "trap 'echo stopping; exit 0' TERM; read what; echo serving $what; kill -TERM $PPID; while :; do sleep 0.01; done"

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", server)
	cmd.Stdout = os.Stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		group := -cmd.Process.Pid
		time.AfterFunc(10*time.Second, func() {
			_ = syscall.Kill(group, syscall.SIGKILL) // or it has ended, and the number may be another's
		})
		return syscall.Kill(group, syscall.SIGTERM)
	}
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
