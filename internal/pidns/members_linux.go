//go:build (amd64 || arm64) && !android

package pidns

import (
	"bytes"
	"errors"
	"io/fs"
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
// for zombies, by their numbers in /proc.
func (n *Namespace) Members() (pids []int, err error) {
	for range looks {
		if pids, err = n.look(); err != nil || len(pids) > 0 {
			break
		}
	}
	return pids, err
}

// look is Members at one time.
func (n *Namespace) look() (pids []int, err error) {
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
	init := n.initInProc()
	below := map[uint64]bool{n.ino: true}
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == init {
			continue
		}
		in, err := inNamespace(name, below)
		switch {
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH):
			continue // it is gone
		case errors.Is(err, fs.ErrPermission):
			continue // it is somebody's whom this process could not put there
		case err != nil:
			return nil, err
		}
		if in && lives(name) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// initInProc is the number of the init in /proc, and 0 where it is gone.
func (n *Namespace) initInProc() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.reaped {
		return 0
	}
	if n.holds() {
		if pid, ok := kernel.Number("/proc/thread-self/fdinfo/"+strconv.Itoa(n.pidfd), "Pid"); ok {
			return pid
		}
	}
	return n.pid
}

// inNamespace reports whether a process is in a namespace that is in below, as has does.
func inNamespace(name string, below map[uint64]bool) (bool, error) {
	fd, err := highfd.Open("/proc/"+name+"/ns/pid", unix.O_RDONLY, 0)
	if err != nil {
		return false, err
	}
	return has(fd, below)
}

// has reports whether a pid namespace, whose descriptor it closes, is one that is in below
// or is inside of one. What it finds out about others is kept in below.
func has(fd int, below map[uint64]bool) (bool, error) {
	var passed []uint64
	defer func() { unix.Close(fd) }()
	for {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return false, err
		}
		in, known := below[st.Ino]
		if !known {
			passed = append(passed, st.Ino)
			parent, err := unix.IoctlRetInt(fd, unix.NS_GET_PARENT)
			if err == nil {
				unix.Close(fd)
				fd = parent
				continue
			}
		}
		for _, ino := range passed {
			below[ino] = in
		}
		return in, nil
	}
}

// lives reports whether a process is neither gone nor a zombie.
func lives(name string) bool {
	fields, err := kernel.Stat(name)
	return err == nil && !bytes.ContainsAny(fields[0], "ZX")
}
