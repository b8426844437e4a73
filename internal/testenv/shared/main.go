//go:build cgo && unix

// Command shared is a C library that starts children by package spawn, for a C program of
// .ci/runtimes. The runtime of Go is a guest there.
package main

import "C"

import (
	"context"

	"github.com/safespawn/spawn"
)

// Status runs the shell with a script, and returns its status, or -1.
//
//export Status
func Status(script *C.char) C.int {
	state, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", C.GoString(script)}})
	if err != nil {
		return -1
	}
	return C.int(state.ExitCode())
}

func main() {}
