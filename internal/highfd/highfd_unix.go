//go:build unix

// Package highfd opens files at descriptors from 3 up. The kernel gives out the
// lowest number that is free, which is one of 0, 1 and 2 where this process has
// closed its own: there it would be in the way of what somebody puts back, and
// with a child.
package highfd

import (
	"errors"
	"io"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// Least is the lowest number that is used.
const Least = 3

// Limit is RLIMIT_NOFILE: above all numbers that are given out.
func Limit() int {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || uint64(l.Cur) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(l.Cur)
}

// Raise moves a descriptor of the caller's that has just been made to a number
// from Least on, where it is close-on-exec. It closes fd when it fails, as when
// there is no number left.
func Raise(fd int) (int, error) {
	if fd >= Least {
		return fd, nil
	}
	n, err := Dup(fd)
	if err == nil && !Same(fd, n) {
		unix.Close(n) // somebody has put a file of theirs at fd meanwhile
		return -1, unix.EBADF
	}
	unix.Close(fd)
	return n, err
}

// Same reports whether two descriptors are open on the same file.
func Same(a, b int) bool {
	var x, y unix.Stat_t
	return unix.Fstat(a, &x) == nil && unix.Fstat(b, &y) == nil &&
		x.Dev == y.Dev && x.Ino == y.Ino && x.Rdev == y.Rdev && x.Mode == y.Mode
}

// Dup duplicates a descriptor.
func Dup(fd int) (int, error) { return DupFrom(fd, Least) }

// Open opens a file with more flags than O_CLOEXEC.
func Open(path string, flags int, perm uint32) (int, error) {
	return OpenAt(unix.AT_FDCWD, path, flags, perm)
}

// OpenAt is Open, in a directory that is open.
func OpenAt(dir int, path string, flags int, perm uint32) (int, error) {
	for {
		fd, err := unix.Openat(dir, path, flags|unix.O_CLOEXEC, perm)
		if err == nil {
			return Raise(fd)
		}
		if !errors.Is(err, unix.EINTR) {
			return -1, err
		}
	}
}

// ReadFile is os.ReadFile.
func ReadFile(path string) ([]byte, error) {
	fd, err := Open(path, unix.O_RDONLY, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	return io.ReadAll(f)
}
