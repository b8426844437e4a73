package main

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// openPTY makes a terminal that echoes nothing.
func openPTY(t *testing.T) (master, terminal *os.File) {
	t.Helper()
	master, terminal = testenv.OpenPTY(t)
	testenv.Control(t, terminal, func(fd int) error {
		tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		tio.Lflag &^= unix.ECHO
		return unix.IoctlSetTermios(fd, unix.TCSETS, tio)
	})
	return master, terminal
}
