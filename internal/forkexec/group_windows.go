package forkexec

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// SignalGroup sends CTRL_BREAK to the processes of the group that the child leads, if it
// has this process's console, for a signal that asks for an end. It kills the child alone.
// For any other signal, and without a console, it is an error.
func (c Child) SignalGroup(sig os.Signal) error {
	if c.await(0) {
		return os.ErrProcessDone
	}
	switch sig {
	case syscall.Signal(0):
		return nil
	case os.Kill:
		return c.signal(sig)
	case os.Interrupt, syscall.SIGTERM:
	default:
		return syscall.EWINDOWS
	}
	// The number is the child's own for as long as its handle is open.
	return os.NewSyscallError("GenerateConsoleCtrlEvent", windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.PID())))
}
