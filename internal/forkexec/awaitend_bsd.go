//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package forkexec

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// SeesEnd says that AwaitEnd works.
const SeesEnd = true

// AwaitEnd waits until the child has ended, and does not reap it. It reports whether it
// can. It costs a thread.
func (c Child) AwaitEnd() bool {
	kq, err := unix.Kqueue()
	if err != nil {
		return false
	}
	unix.CloseOnExec(kq)
	if kq, err = highfd.Raise(kq); err != nil {
		return false
	}
	defer unix.Close(kq)
	var event unix.Kevent_t
	unix.SetKevent(&event, c.PID(), unix.EVFILT_PROC, unix.EV_ADD|unix.EV_ONESHOT)
	event.Fflags = unix.NOTE_EXIT
	for {
		n, err := unix.Kevent(kq, []unix.Kevent_t{event}, make([]unix.Kevent_t, 1), nil)
		switch {
		case err == unix.ESRCH: // it is a zombie
			return true
		case err != unix.EINTR:
			return err == nil && n == 1
		}
	}
}
