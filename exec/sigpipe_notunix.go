//go:build !unix

package exec

import "syscall"

// endedBySIGPIPE is for Unix.
func endedBySIGPIPE(syscall.WaitStatus) bool { return false }
