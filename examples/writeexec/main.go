//go:build unix

// Writeexec writes a program file and runs it at once. It is never "text file busy",
// whatever other goroutines start meanwhile.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/safespawn/spawn/exec"
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

	cmd := exec.Command(name)
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}
}
