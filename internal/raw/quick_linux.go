package raw

import (
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The functions of this file look at files of the kernel's that are there at once.
// The scheduler is not told of their calls, so it hands nothing over to another
// thread: they are for the moment when no thread can be made, which ends a Go program
// that needs one.

// Nor do they allocate much, as a collection may need a thread, too.
var quickBuffers = sync.Pool{New: func() any { return new([1 << 16]byte) }}

// ReadQuickly calls f with what a file of the kernel's has, or its first 64 KiB, which
// is of use until f returns. It reports whether there is such a file.
func ReadQuickly(path string, f func(text []byte)) bool {
	fd, err := openQuickly(path)
	if err != nil {
		return false
	}
	b := quickBuffers.Get().(*[1 << 16]byte)
	defer quickBuffers.Put(b)
	n := 0
	for n < len(b) {
		k, errno := callQuickly(unix.SYS_READ, fd, b[n:])
		if errno != 0 {
			closeQuickly(fd)
			return false
		}
		if k == 0 {
			break
		}
		n += k
	}
	closeQuickly(fd)
	f(b[:n])
	return true
}

// NamesQuickly are the names in a directory of the kernel's, as far as they can be
// had.
func NamesQuickly(path string) (names []string) {
	fd, err := openQuickly(path)
	if err != nil {
		return nil
	}
	defer closeQuickly(fd)
	b := quickBuffers.Get().(*[1 << 16]byte)
	defer quickBuffers.Put(b)
	for {
		n, errno := callQuickly(unix.SYS_GETDENTS64, fd, b[:])
		if errno != 0 || n == 0 {
			return names
		}
		_, _, names = unix.ParseDirent(b[:n], -1, names)
	}
}

// callQuickly is read or getdents64.
func callQuickly(call uintptr, fd int, b []byte) (int, syscall.Errno) {
	for {
		n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

// LinkQuickly is what a symbolic link of the kernel's says.
func LinkQuickly(path string) (string, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return "", err
	}
	b := make([]byte, 512)
	at := unix.AT_FDCWD
	n, _, errno := syscall.RawSyscall6(unix.SYS_READLINKAT, uintptr(at), uintptr(unsafe.Pointer(p)),
		uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), 0, 0)
	if errno == 0 && int(n) == len(b) {
		errno = unix.ENAMETOOLONG
	}
	if errno != 0 {
		return "", errno
	}
	return string(b[:n]), nil
}

// openQuickly opens a file at a number that is not one of 0, 1 and 2.
func openQuickly(path string) (int, error) {
	var short [64]byte // costs no allocation
	p := &short[0]
	if copy(short[:len(short)-1], path) < len(path) {
		var err error
		if p, err = syscall.BytePtrFromString(path); err != nil {
			return -1, err
		}
	}
	at := unix.AT_FDCWD
	fd, _, errno := syscall.RawSyscall6(unix.SYS_OPENAT, uintptr(at), uintptr(unsafe.Pointer(p)), unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
	if errno != 0 {
		return -1, errno
	}
	if fd > 2 {
		return int(fd), nil
	}
	n, _, errno := syscall.RawSyscall(unix.SYS_FCNTL, fd, unix.F_DUPFD_CLOEXEC, 3)
	closeQuickly(int(fd))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

func closeQuickly(fd int) { _, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }
