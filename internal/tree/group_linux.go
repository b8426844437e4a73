package tree

import (
	"bytes"
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
)

// Child is a child that other code may reap. What it is asked for comes from its pidfd,
// where it has one.
type Child interface {
	Pid() int
	Signal(sig os.Signal) error
	WithPidfd(f func(fd uintptr) error) error
}

// pidfdGroup makes pidfd_send_signal send to the process group whose id was the
// process's, also when the process was reaped. Linux 6.9.
const pidfdGroup = 1 << 2

// signalGroup sends to the process group, if it is the child's. The caller holds the
// tree's lock.
func (l *Leader) signalGroup(sig unix.Signal) error {
	if !l.leads {
		return os.ErrProcessDone
	}
	err := l.child.WithPidfd(func(fd uintptr) error {
		return unix.PidfdSendSignal(int(fd), sig, nil, pidfdGroup)
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
// somebody else is to reap those, and may take his time.
func GroupAlive(pgid int) bool {
	if unix.Kill(-pgid, 0) == unix.ESRCH {
		return false
	}
	list, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, entry := range list {
		if n := entry.Name(); n[0] < '1' || n[0] > '9' {
			continue
		}
		fields, err := kernel.Stat(entry.Name())
		if err == nil && string(fields[2]) == strconv.Itoa(pgid) && !bytes.ContainsAny(fields[0], "ZX") {
			return true
		}
	}
	return false
}
