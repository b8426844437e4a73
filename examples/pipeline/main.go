//go:build unix

// Pipeline runs three programs, each of which reads what the one before writes. If one
// fails, the error says which.
package main

import (
	"fmt"
	"log"

	"github.com/safespawn/spawn/exec"
)

func main() {
	out, err := exec.Pipe(
		exec.Command("printf", `pear\napple\nfig\n`),
		exec.Command("sort"),
		exec.Command("head", "-n2"),
	).Output()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", out)
}
