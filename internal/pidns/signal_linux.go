//go:build (amd64 || arm64) && !android

package pidns

import (
	"errors"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// Signal sends a signal to all members, and reports whether there were any. The error is
// of those who did not get it. One that forks meanwhile may have a child that is missed.
func (n *Namespace) Signal(sig unix.Signal) (some bool, err error) {
	pids, err := n.Members()
	for _, pid := range pids {
		err = errors.Join(err, n.signalMember(pid, sig))
	}
	return len(pids) > 0, err
}

// signalMember sends to a process that was a member: whoever has its pid now gets nothing
// unless he is one, too.
func (n *Namespace) signalMember(pid int, sig unix.Signal) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ESRCH {
		return nil
	}
	if err == nil {
		fd, err = highfd.Raise(fd)
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if in, err := n.has(strconv.Itoa(pid), map[uint64]bool{n.ino: true}); err != nil || !in {
		return nil // it is gone
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != unix.ESRCH {
		return err
	}
	return nil
}
