package testenv

import (
	"errors"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// OpenPTY makes a pseudo-terminal. The test is skipped where there are none.
func OpenPTY(t testing.TB) (master, terminal *os.File) {
	t.Helper()
	master, terminal, err := NewPTY()
	if err != nil {
		Skip(t, "no pseudo-terminals: "+err.Error())
	}
	t.Cleanup(func() {
		master.Close()
		terminal.Close()
	})
	return master, terminal
}

// NewPTY makes a pseudo-terminal, for helpers.
func NewPTY() (master, terminal *os.File, err error) {
	master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	number := -1
	if err = OnDescriptor(master, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	}); err == nil {
		terminal, err = os.OpenFile("/dev/pts/"+strconv.Itoa(number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err == nil {
		err = OnDescriptor(terminal, KeepWritten)
	}
	if err != nil {
		master.Close()
	}
	return master, terminal, err
}

// KeepWritten has a terminal keep what has not been read when a key sends a signal. It would
// drop that after the signal: what a program has written about the signal, too.
func KeepWritten(terminal int) error {
	modes, err := unix.IoctlGetTermios(terminal, unix.TCGETS)
	if err != nil {
		return err
	}
	modes.Lflag |= unix.NOFLSH
	return unix.IoctlSetTermios(terminal, unix.TCSETS, modes)
}

// OnDescriptor calls f with a file's descriptor, and leaves the file's flags alone.
func OnDescriptor(file *os.File, f func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	return errors.Join(conn.Control(func(fd uintptr) { inner = f(int(fd)) }), inner)
}

// Control is OnDescriptor where nothing may fail.
func Control(t testing.TB, file *os.File, f func(fd int) error) {
	t.Helper()
	if err := OnDescriptor(file, f); err != nil {
		t.Fatal(err)
	}
}
