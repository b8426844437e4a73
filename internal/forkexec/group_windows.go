package forkexec

import (
	"os"
	"syscall"

	"golang.org/x/sys/windows"
)

// SignalGroup sends CTRL_BREAK to the processes of the group that the child leads, if it
// has this process's console, for a signal that asks for an end. For any other signal, and
// without a console, it is an error.
func (c Child) SignalGroup(sig os.Signal) error {
	switch sig {
	case os.Interrupt, syscall.SIGTERM:
	default:
		return syscall.EWINDOWS
	}
	if c.await(0) {
		return os.ErrProcessDone
	}
	// The number is the child's own for as long as its handle is open.
	return os.NewSyscallError("GenerateConsoleCtrlEvent", windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(c.PID())))
}
