// Command exec is that of linked/spawn by package exec.
package main

import (
	"os"

	"github.com/safespawn/spawn/exec"
)

func main() {
	if len(os.Args) > 1 {
		if err := exec.Command(os.Args[1]).Run(); err != nil {
			os.Exit(1)
		}
	}
}
