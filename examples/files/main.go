//go:build unix

// Files gives a program files at the numbers that it expects. The child opens one of
// them itself.
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/safespawn/spawn/exec"
)

func main() {
	dir, err := os.MkdirTemp("", "files")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "log")

	cmd := exec.Command("sh", "-c", "echo to the log >&7; echo to the output >&9")
	cmd.Actions.Open(7, name, os.O_WRONLY|os.O_CREATE, 0o600)
	cmd.Actions.File(os.Stdout, 9)
	if err := cmd.Run(); err != nil {
		log.Fatal(err)
	}

	text, err := os.ReadFile(name)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", text)
}
