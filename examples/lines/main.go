//go:build unix

// Lines reads what a program writes while it runs, both streams at once, and ends the
// program when it has seen enough.
package main

import (
	"fmt"
	"log"

	"github.com/safespawn/spawn/exec"
)

func main() {
	cmd := exec.Command("sh", "-c", "while :; do n=$((n + 1)); echo step $n >&2; done")
	for line, err := range cmd.Lines() {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(line.Stream, line.Text)
		if line.Text == "step 3" {
			break
		}
	}
}
