//go:build unix && !linux

package forkexec

import (
	"errors"
	"os"
	"syscall"
)

// SignalGroup sends a signal to the process group that the child leads. It returns
// os.ErrProcessDone when nobody is in it. The child has not been reaped.
func (c Child) SignalGroup(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	if !SeesEnd {
		return errors.ErrUnsupported // somebody may be about to reap the child
	}
	err := syscall.Kill(-c.PID(), s)
	if err == syscall.ESRCH {
		return os.ErrProcessDone
	}
	return err
}
