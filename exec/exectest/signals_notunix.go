//go:build !unix

package exectest

import "syscall"

const sigPipe = syscall.SIGTERM // there is none

// harmless reports whether a signal ends no program by default.
func harmless(sig syscall.Signal) bool { return sig == 0 }

// isSignal reports whether a number is that of a signal.
func isSignal(sig syscall.Signal) bool { return sig > 0 && sig <= 64 }

// untouchable reports whether a program can't handle or ignore a signal.
func untouchable(sig syscall.Signal) bool { return sig == syscall.SIGKILL }
