package forkexec

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/group"
)

// SignalGroup sends a signal to the process group that the child leads. It returns
// os.ErrProcessDone when nobody is in it, or when that can't be known any more: the
// number is the group's for as long as nobody has reaped the child.
func (c Child) SignalGroup(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	err := c.WithPidfd(func(fd uintptr) error { return group.Signal(int(fd), s) })
	if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) { // before Linux 6.9
		if err = c.wait(unix.WNOHANG); err == nil {
			err = unix.Kill(-c.PID(), s)
		}
	}
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ECHILD) {
		return os.ErrProcessDone
	}
	return err
}

// SeesEnd says that AwaitEnd works.
const SeesEnd = true

// AwaitEnd waits until the child has ended, and does not reap it. It reports whether it
// can. It costs a thread.
func (c Child) AwaitEnd() bool {
	err := c.wait(0)
	return err == nil || err == unix.ECHILD
}

// wait is waitid for the end, with more options. The pid is the child's own for as long
// as nobody has reaped it.
func (c Child) wait(options int) (err error) {
	for {
		err = unix.Waitid(unix.P_PID, c.PID(), nil, unix.WEXITED|unix.WNOWAIT|options, nil)
		if err != unix.EINTR {
			return err
		}
	}
}
