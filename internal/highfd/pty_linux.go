package highfd

import (
	"io/fs"
	"strconv"

	"golang.org/x/sys/unix"
)

// Multiplexer is the file whose opening makes a terminal.
const Multiplexer = "/dev/ptmx"

// PTY makes a terminal. Of its two ends master does not block, and peer is the one for a
// program, which has the name.
func PTY() (master, peer int, name string, err error) {
	master, err = Open(Multiplexer, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, -1, "", &fs.PathError{Op: "open", Path: Multiplexer, Err: err}
	}
	if peer, name, err = peerOf(master); err != nil {
		unix.Close(master)
		return -1, -1, "", err
	}
	return master, peer, name, nil
}

// peerOf opens the end that is for the child. Linux 4.13 does so without a name, which
// may be that of another terminal in this process's mount namespace.
func peerOf(master int) (fd int, name string, err error) {
	n, err := unix.IoctlGetInt(master, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(master, unix.TIOCSPTLCK, 0)
	}
	name = "/dev/pts/" + strconv.Itoa(n)
	if err != nil {
		return -1, name, &fs.PathError{Op: "ioctl", Path: Multiplexer, Err: err}
	}
	const flags = unix.O_RDWR | unix.O_NOCTTY
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags|unix.O_CLOEXEC)
	if errno == 0 {
		fd, err = Raise(int(peer))
	} else {
		fd, err = OpenTerminal(name, n, flags)
	}
	if err != nil {
		return -1, name, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, name, nil
}

// OpenTerminal opens terminal n, and nothing else that has the name.
func OpenTerminal(name string, n, flags int) (int, error) {
	fd, err := Open(name, flags|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	const major, perMajor = 136, 256 // UNIX98_PTY_SLAVE_MAJOR
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || uint64(st.Rdev) != unix.Mkdev(uint32(major+n/perMajor), uint32(n%perMajor))) {
		err = unix.ENOTTY
	}
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}
