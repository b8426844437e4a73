//go:build unix

// Osexec is the program deadline with os/exec. The end of the context ends nothing any
// more once the shell has ended.
package main

import (
	"context"
	"fmt"
	"log"
	"os/exec"
	"syscall"
	"time"
)

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", "sleep 600 & echo started; wait")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error {
		return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.Output()
	if ctx.Err() == nil {
		log.Fatal(err)
	}
	fmt.Printf("%sout of time\n", out)
}
