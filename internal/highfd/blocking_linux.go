package highfd

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// DupBlocking duplicates a descriptor, or opens its file anew where that makes it
// block.
func DupBlocking(fd int) (int, error) {
	if BlocksAnew(fd) {
		if n, err := reopenBlocking(fd); err == nil {
			return n, nil
		}
	}
	return Dup(fd)
}

// BlocksAnew reports whether a file does not block and can be opened anew so that
// it does: an end of a pipe, a FIFO or a terminal. Package os makes those it opens
// non-blocking, which is a property of the open file and so of all that share it.
func BlocksAnew(fd int) bool {
	fl, err := flagsOf(fd)
	if err != nil || fl&unix.O_NONBLOCK == 0 || fl&unix.O_PATH != 0 {
		return false
	}
	var st unix.Stat_t
	if insist(func() error { return unix.Fstat(fd, &st) }) != nil {
		return false
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFIFO:
		return true
	case unix.S_IFCHR:
		return isTerminal(uint64(st.Rdev))
	}
	return false
}

// flagsOf are the flags of an open file.
func flagsOf(fd int) (flags int, err error) {
	err = insist(func() error {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	})
	return flags, err
}

// Block makes an open file block, as Fd of package os does, which has no error to return.
func Block(f *os.File) error {
	return WithNumber(f, func(fd int) error {
		return os.NewSyscallError("fcntl", insist(func() error { return unix.SetNonblock(fd, false) }))
	})
}

// insist makes a call once more that has failed and should not.
func insist(call func() error) error {
	err := call()
	if err != nil && err != unix.EBADF {
		err = call()
	}
	return err
}

// isTerminal knows the kernel's numbers of terminals. To open the multiplexer anew
// would make another terminal.
func isTerminal(rdev uint64) bool {
	const console, tty, firstPTS, lastPTS = 4, 5, 136, 143
	switch major := unix.Major(rdev); {
	case major == tty:
		return unix.Minor(rdev) == 0
	default:
		return major == console || major >= firstPTS && major <= lastPTS
	}
}

// reopenBlocking opens a file anew, with the same flags except that it blocks. A
// FIFO's end that nobody has the other end of can't be opened, nor what belongs to
// other users, and nothing where there is no /proc.
func reopenBlocking(fd int) (int, error) {
	fl, err := flagsOf(fd)
	if err != nil {
		return -1, err
	}
	path := "/proc/thread-self/fd/" + strconv.Itoa(fd)
	n, err := Open(path, fl&unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return -1, err
	}
	err = insist(func() error {
		_, err := unix.FcntlInt(uintptr(n), unix.F_SETFL, fl&^unix.O_NONBLOCK)
		return err
	})
	if err == nil && !Same(fd, n) {
		err = unix.EBADF
	}
	if err != nil {
		unix.Close(n)
		return -1, err
	}
	return n, nil
}
