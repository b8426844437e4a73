//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
)

// looks is how often somebody is looked for: a process may fork after the list of all was
// read, and end before it is looked at.
const looks = 3

// Members are the processes in the namespace and in those below it, but for its init and
// for zombies, by their numbers in /proc. The error matches os.ErrClosed after Close.
func (n *Namespace) Members() (pids []int, err error) {
	err = n.search(func(s *search) (err error) {
		pids, err = s.members()
		return err
	})
	return pids, err
}

// search is a look for members. The file of the namespace is open meanwhile, so no other
// namespace has its inode.
type search struct {
	fd    int             // of the namespace
	in    map[uint64]bool // whether a namespace, by its inode, is this one or below it
	init  int             // the init's number in /proc; 0 where it is gone or not known
	depth int             // how many numbers the init has in namespaces; 0 where not known
}

// search calls f with a search.
func (n *Namespace) search(f func(s *search) error) error {
	return n.file.With(func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return os.NewSyscallError("fstat", err)
		}
		return f(&search{fd: fd, in: map[uint64]bool{st.Ino: true}, init: n.initInProc()})
	})
}

func (s *search) members() (pids []int, err error) {
	for range looks {
		if pids, err = s.look(); err != nil || len(pids) > 0 {
			break
		}
	}
	return pids, err
}

// look is members at one time.
func (s *search) look() (pids []int, err error) {
	fd, err := highfd.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		return nil, os.NewSyscallError("open /proc", err)
	}
	dir := os.NewFile(uintptr(fd), "/proc")
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == s.init {
			continue
		}
		in, err := s.has(name)
		if in && err == nil {
			in, err = lives(name)
		}
		if err != nil {
			return nil, err
		}
		if in {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// initInProc is the number of the init in /proc, and 0 where it is gone or not known.
func (n *Namespace) initInProc() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reaped {
		return 0
	}
	if n.holds() {
		if pid := kernel.NumberOfPidfd(n.pidfd); pid != 0 {
			return pid
		}
	}
	if !kernel.OurIDs() {
		return 0
	}
	return n.pid
}

// has reports whether a process is in the namespace, or below it.
func (s *search) has(name string) (bool, error) {
	fd, err := highfd.Open("/proc/"+name+"/ns/pid", unix.O_RDONLY, 0)
	switch err {
	case nil:
		return s.contains(fd)
	case unix.ENOENT, unix.ESRCH:
		return false, nil // it is gone
	case unix.EACCES, unix.EPERM:
		if in, known := s.knows(name); known {
			return in, nil
		}
		return s.descends(name)
	}
	return false, os.NewSyscallError("open /proc/PID/ns/pid", err)
}

// contains reports whether a pid namespace, whose descriptor it closes, is this one or
// is inside of it.
func (s *search) contains(fd int) (bool, error) {
	var passed []uint64
	defer func() { unix.Close(fd) }()
	for {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return false, os.NewSyscallError("fstat", err)
		}
		in, known := s.in[st.Ino]
		if !known {
			passed = append(passed, st.Ino)
			parent, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
			if err == nil {
				parent, err = highfd.Raise(parent)
			}
			switch {
			case err == nil:
				unix.Close(fd)
				fd = parent
				continue
			case kernel.Passes(err):
				return false, os.NewSyscallError("NS_GET_PARENT", err)
			}
		}
		for _, ino := range passed {
			s.in[ino] = in
		}
		return in, nil
	}
}

// lives reports whether a process is neither gone nor a zombie.
func lives(name string) (bool, error) {
	fields, err := kernel.Stat(name)
	if kernel.Passes(err) {
		return false, err
	}
	return err == nil && !bytes.ContainsAny(fields[0], "ZX"), nil
}
