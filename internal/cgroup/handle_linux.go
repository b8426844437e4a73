package cgroup

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
)

// handle is a file that is used long after it was opened. Other code may have
// closed its descriptor meanwhile, by mistake, and opened something else by the
// number.
type handle struct {
	file     *os.File
	dev, ino uint64
}

func openHandle(path string, flags int) (*handle, error) {
	fd, err := highfd.Open(path, flags|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fstat", err)
	}
	return &handle{os.NewFile(uintptr(fd), path), st.Dev, st.Ino}, nil
}

// errStray is what with returns when the descriptor is another file's.
var errStray = errors.New("the descriptor was closed by other code")

// with calls f with the descriptor.
func (h *handle) with(f func(fd int) error) error {
	return highfd.WithNumber(h.file, func(fd int) error {
		if !h.is(fd) {
			return errStray
		}
		return f(fd)
	})
}

// is reports whether a descriptor is one of the file.
func (h *handle) is(fd int) bool {
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Dev == h.dev && st.Ino == h.ino
}

// close closes the file.
func (h *handle) close() {
	if h == nil {
		return
	}
	if h.with(func(int) error { return nil }) == errStray {
		highfd.NeverClose(h.file)
		return
	}
	h.file.Close()
}
