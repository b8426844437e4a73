package exectest

import "syscall"

// exited is the status of an exit.
func exited(code int) syscall.WaitStatus { return syscall.WaitStatus{ExitCode: uint32(code)} }

// signaled is the status of TerminateProcess.
func signaled(syscall.Signal) syscall.WaitStatus { return exited(1) }
