// Command spawn runs a program by package spawn, and nothing where none is named: what
// it takes to start is what package spawn adds to a program.
package main

import (
	"context"
	"os"

	"github.com/safespawn/spawn"
)

func main() {
	if len(os.Args) > 1 {
		if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: os.Args[1]}); err != nil {
			os.Exit(1)
		}
	}
}
