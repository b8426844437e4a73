//go:build (amd64 || arm64) && !android

package pidns

import (
	"errors"
	"os"
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

// signalMember sends to a process that was a member: whoever has its number in /proc now
// gets nothing unless he is one, too. The number may be none of this process's pids, so
// the directory in /proc stands for the process, as a pidfd would.
func (n *Namespace) signalMember(pid int, sig unix.Signal) error {
	dir, err := highfd.Open("/proc/"+strconv.Itoa(pid), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("open /proc/PID", err)
	}
	defer unix.Close(dir)
	fd, err := highfd.OpenAt(dir, "ns/pid", unix.O_RDONLY, 0)
	if err != nil {
		return nil // it is gone
	}
	if in, err := has(fd, map[uint64]bool{n.ino: true}); err != nil || !in {
		return nil // it is gone
	}
	if err := unix.PidfdSendSignal(dir, sig, nil, 0); err != unix.ESRCH {
		return err
	}
	return nil
}
