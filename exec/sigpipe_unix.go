//go:build unix

package exec

import "syscall"

// endedBySIGPIPE reports whether SIGPIPE has ended a program.
func endedBySIGPIPE(s syscall.WaitStatus) bool { return s.Signaled() && s.Signal() == syscall.SIGPIPE }
