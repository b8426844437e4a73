package tree

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/group"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// Child is a child that other code may reap. What it is asked for comes from its pidfd,
// where it has one.
type Child interface {
	Pid() int
	Signal(sig os.Signal) error
	WithPidfd(f func(fd uintptr) error) error
}

// signalGroup sends to the process group, if it is the child's. The caller holds the
// tree's lock.
func (l *Leader) signalGroup(sig unix.Signal) error {
	if !l.leads {
		return os.ErrProcessDone
	}
	err := l.child.WithPidfd(func(fd uintptr) error {
		return group.Signal(int(fd), sig)
	})
	if err != nil && !errors.Is(err, unix.ESRCH) && !errors.Is(err, unix.EPERM) && !errors.Is(err, os.ErrProcessDone) {
		// Before Linux 6.9, or no descriptor is left. The number is the group's as
		// long as the child is not reaped.
		if l.gone() {
			return os.ErrProcessDone
		}
		err = unix.Kill(-l.child.Pid(), sig)
	}
	if errors.Is(err, unix.ESRCH) {
		return os.ErrProcessDone
	}
	return err
}

// gone reports whether the child was reaped: other code may have. The caller holds the
// tree's lock.
func (l *Leader) gone() bool {
	if l.reaped {
		return true
	}
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	err := l.child.WithPidfd(func(fd uintptr) error { return unix.Waitid(unix.P_PIDFD, int(fd), nil, options, nil) })
	if err != nil && !errors.Is(err, unix.ECHILD) && !errors.Is(err, os.ErrProcessDone) {
		err = unix.Waitid(unix.P_PID, l.child.Pid(), nil, options, nil)
	}
	l.reaped = errors.Is(err, unix.ECHILD) || errors.Is(err, os.ErrProcessDone)
	return l.reaped
}

// GroupAlive reports whether a process group has processes that are no zombies:
// somebody else is to reap those, and may take his time. It sends nothing, not even signal
// 0: the group may be another's.
func GroupAlive(pgid int) bool {
	n, _, _ := group.Members(pgid)
	return n > 0
}

// countGroup counts the processes of a group that are no zombies. It is not known where
// there is no /proc that shows them. There is somebody where a look fails, as without
// descriptors: the next may not.
func countGroup(pgid int) (n int, known bool) {
	n, _, known = group.Members(pgid)
	if !known && kernel.OurIDs() {
		return 1, true
	}
	return n, known
}

// pidfd is another descriptor of a child's pidfd. Its group is known by it also when the
// child was reaped, from Linux 6.9 on.
type pidfd struct{ *highfd.Held }

// keepPidfd makes one; nil where the kernel signals no groups by pidfds, or where its
// files can't be told from one another.
func keepPidfd(with func(f func(fd uintptr) error) error) (p *pidfd) {
	_ = with(func(fd uintptr) error { // else there is none
		var st unix.Statfs_t
		if unix.Fstatfs(int(fd), &st) != nil || st.Type != unix.PID_FS_MAGIC || group.Signal(int(fd), 0) == unix.EINVAL {
			return nil
		}
		own, err := highfd.Dup(int(fd))
		if err != nil {
			return err
		}
		held, err := highfd.Hold(own, "pidfd")
		if err == nil {
			p = &pidfd{held}
		}
		return err
	})
	return p
}

// signalGroup sends to the group. ok is false where that can't be done by the pidfd.
func (p *pidfd) signalGroup(sig unix.Signal) (ok bool, err error) {
	if p == nil {
		return false, nil
	}
	err = p.With(func(fd int) error { return group.Signal(fd, sig) })
	switch err {
	case nil:
		return true, nil
	case unix.ESRCH:
		return true, os.ErrProcessDone
	case unix.EPERM:
		return true, err
	}
	return false, nil
}

// runs reports whether the child is known not to have ended.
func (p *pidfd) runs() (yes bool) {
	if p == nil {
		return false
	}
	_ = p.With(func(fd int) error { // else it is not known
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		yes = err == nil && n == 0
		return nil
	})
	return yes
}

func (p *pidfd) close() {
	if p != nil {
		p.Close()
	}
}
