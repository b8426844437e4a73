package highfd

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Held is a file that is used long after it was opened. Other code may have closed its
// descriptor meanwhile, by mistake, and opened something else by the number.
type Held struct {
	File     *os.File
	dev, ino uint64
}

// OpenHeld opens a file, without following a link.
func OpenHeld(path string, flags int) (*Held, error) {
	fd, err := Open(path, flags|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return Hold(fd, path)
}

// Hold takes a descriptor over, and closes it if that fails.
func Hold(fd int, name string) (*Held, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fstat", err)
	}
	return &Held{os.NewFile(uintptr(fd), name), uint64(st.Dev), st.Ino}, nil
}

// HoldFile is Hold for a file that is open already.
func HoldFile(f *os.File) (*Held, error) {
	h := &Held{File: f}
	return h, WithNumber(f, func(fd int) error {
		var st unix.Stat_t
		err := unix.Fstat(fd, &st)
		h.dev, h.ino = uint64(st.Dev), st.Ino
		return err
	})
}

// ErrStray is what With returns when the descriptor is another file's.
var ErrStray = errors.New("the descriptor was closed by other code")

// With calls f with the descriptor.
func (h *Held) With(f func(fd int) error) error {
	return WithNumber(h.File, func(fd int) error {
		if !h.Is(fd) {
			return ErrStray
		}
		return f(fd)
	})
}

// Is reports whether a descriptor is one of the file. A look that fails, but for there being
// no such descriptor, says nothing.
func (h *Held) Is(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err != unix.EBADF
	}
	return uint64(st.Dev) == h.dev && st.Ino == h.ino
}

// IsAt reports whether the file is at a path, and is no link. A look that fails, but for there
// being nothing, says nothing.
func (h *Held) IsAt(path string) bool {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return err != unix.ENOENT
	}
	return uint64(st.Dev) == h.dev && st.Ino == h.ino
}

// SharesDevice reports whether a path leads to the file system of the file.
func (h *Held) SharesDevice(path string) bool {
	var st unix.Stat_t
	return unix.Stat(path, &st) == nil && uint64(st.Dev) == h.dev
}

// Close closes the file. Nil has none.
func (h *Held) Close() {
	if h == nil {
		return
	}
	if h.With(func(int) error { return nil }) == ErrStray {
		NeverClose(h.File)
		return
	}
	h.File.Close()
}
