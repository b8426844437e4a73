//go:build !unix

package exectest

import "syscall"

const sigPipe = syscall.SIGTERM // there is none

// harmless reports whether a signal ends no program by default.
func harmless(sig syscall.Signal) bool { return sig == 0 }
