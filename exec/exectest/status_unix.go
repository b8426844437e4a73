//go:build unix

package exectest

import "syscall"

// exited is the status of an exit.
func exited(code int) syscall.WaitStatus { return syscall.WaitStatus(code & 0xff << 8) }

// signaled is the status of an end by a signal.
func signaled(sig syscall.Signal) syscall.WaitStatus { return syscall.WaitStatus(sig & 0x7f) }
