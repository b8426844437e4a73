//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import (
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
)

const ptmx = "/dev/ptmx"

// openPTY makes a terminal. Of its two ends master does not block.
func openPTY(p *PTY) (master, tty *os.File, err error) {
	fd, err := highfd.Open(ptmx, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, &fs.PathError{Op: "open", Path: ptmx, Err: err}
	}
	master = os.NewFile(uintptr(fd), ptmx)
	peer, name, err := peerOf(fd)
	if err == nil && (p.Rows != 0 || p.Cols != 0) {
		if err = setSize(master, p.Rows, p.Cols); err != nil {
			unix.Close(peer)
		}
	}
	if err != nil {
		master.Close()
		return nil, nil, err
	}
	return master, os.NewFile(uintptr(peer), name), nil
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
		return -1, name, &fs.PathError{Op: "ioctl", Path: ptmx, Err: err}
	}
	const flags = unix.O_RDWR | unix.O_NOCTTY
	peer, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(master), unix.TIOCGPTPEER, flags|unix.O_CLOEXEC)
	if errno == 0 {
		fd, err = highfd.Raise(int(peer))
	} else {
		fd, err = openByName(name, n, flags)
	}
	if err != nil {
		return -1, name, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return fd, name, nil
}

// openByName opens terminal n, and nothing else that has the name.
func openByName(name string, n, flags int) (int, error) {
	fd, err := highfd.Open(name, flags|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return -1, err
	}
	const major, perMajor = 136, 256 // UNIX98_PTY_SLAVE_MAJOR
	var st unix.Stat_t
	err = unix.Fstat(fd, &st)
	if err == nil && (st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != unix.Mkdev(uint32(major+n/perMajor), uint32(n%perMajor))) {
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

// setSize sets the size of a terminal.
func setSize(f *os.File, rows, cols uint16) error {
	err := highfd.WithNumber(f, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: cols})
	})
	if err != nil {
		return &fs.PathError{Op: "resize", Path: f.Name(), Err: err}
	}
	return nil
}

// terminal makes the child the leader of a session whose terminal is tty.
func (l *sysList) terminal(tty *os.File) {
	if !hasType[attr.Setsid](l.list) {
		l.add(attr.Setsid{})
	}
	l.add(attr.ControllingTTY{File: tty})
}
