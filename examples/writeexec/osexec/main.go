//go:build unix

// Osexec is the program writeexec with os/exec. A child of another goroutine may have
// the file open for writing until it runs its own program, so this one tries again.
package main

import (
	"errors"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	dir, err := os.MkdirTemp("", "writeexec")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\necho hello\n"), 0o700); err != nil {
		log.Fatal(err)
	}

	for {
		cmd := exec.Command(name)
		cmd.Stdout = os.Stdout
		err := cmd.Run()
		if err == nil {
			return
		}
		if !errors.Is(err, syscall.ETXTBSY) {
			log.Fatal(err)
		}
		time.Sleep(time.Millisecond)
	}
}
