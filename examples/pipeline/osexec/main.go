//go:build unix

// Osexec is the program pipeline with os/exec.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"syscall"
)

func main() {
	cmds := []*exec.Cmd{
		exec.Command("printf", `pear\napple\nfig\n`),
		exec.Command("sort"),
		exec.Command("head", "-n2"),
	}
	var out bytes.Buffer
	last := len(cmds) - 1
	cmds[last].Stdout = &out
	var before *os.File
	for i, cmd := range cmds {
		if before != nil {
			cmd.Stdin = before
		}
		var r, w *os.File
		if i < last {
			var err error
			if r, w, err = os.Pipe(); err != nil {
				log.Fatal(err)
			}
			cmd.Stdout = w
		}
		if err := cmd.Start(); err != nil {
			log.Fatal(err) // those that have been started before go on
		}
		before.Close() // an error if it is nil, which does no harm
		w.Close()
		before = r
	}
	for i, cmd := range cmds {
		if err := cmd.Wait(); err != nil && !brokenPipe(err, i < last) {
			log.Fatalf("program %d, %s: %v", i, cmd, err)
		}
	}
	fmt.Printf("%s", out.Bytes())
}

// brokenPipe reports whether a program has ended only because the next one has stopped
// reading.
func brokenPipe(err error, hasNext bool) bool {
	var exit *exec.ExitError
	if !hasNext || !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGPIPE
}
