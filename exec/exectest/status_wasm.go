package exectest

import "syscall"

// exited is the status that can be had, which is that of success.
func exited(int) (s syscall.WaitStatus) { return s }

// signaled is the same.
func signaled(syscall.Signal) (s syscall.WaitStatus) { return s }
