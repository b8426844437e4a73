//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

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
	err = n.search(func(s *search) error {
		pids, err := s.members()
		some = len(pids) > 0
		for _, pid := range pids {
			err = errors.Join(err, s.signal(strconv.Itoa(pid), sig))
		}
		return err
	})
	return some, err
}

// signal sends to a process that was a member: whoever has its number in /proc now
// gets nothing unless he is one, too. The number may be none of this process's pids, so
// the directory in /proc stands for the process, as a pidfd would.
func (s *search) signal(name string, sig unix.Signal) error {
	dir, err := highfd.Open("/proc/"+name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err == unix.ENOENT {
		return nil
	}
	if err != nil {
		return os.NewSyscallError("open /proc/PID", err)
	}
	defer unix.Close(dir)
	in, err := s.isIn(dir, name)
	if err != nil || !in {
		return err
	}
	if err := unix.PidfdSendSignal(dir, sig, nil, 0); err != nil && err != unix.ESRCH {
		return os.NewSyscallError("pidfd_send_signal", err)
	}
	return nil
}

// isIn is has for the process of a directory in /proc. The error is EACCES where nobody
// says for sure. A process that the kernel finds by the name may be another than that of
// the directory, which is gone then, and gets nothing.
func (s *search) isIn(dir int, name string) (bool, error) {
	fd, err := highfd.OpenAt(dir, "ns/pid", unix.O_RDONLY, 0)
	switch err {
	case nil:
		return s.contains(fd)
	case unix.ENOENT, unix.ESRCH:
		return false, nil // it is gone
	case unix.EACCES, unix.EPERM:
		if in, known := s.knows(name); known {
			return in, nil
		}
	}
	return false, os.NewSyscallError("open /proc/PID/ns/pid", err)
}
