//go:build unix && (!linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec)

package exec

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/highfd"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

var (
	errOnTerminal = errors.New("the terminal is Stdin: the child stays in this process's group, which may read it")
	errBlind      = errors.New("this system does not tell of the end of a child before it is reaped, and its process group can't be killed safely")
)

// grouped reports whether the child is to lead a process group, and has the tree say why
// it does not.
func (t *tree) grouped(stdin io.Reader) bool {
	holds := t.held.Loose() == nil
	switch {
	case holds && hasTerminal():
	case !holds && readsTerminal(stdin):
		t.held = spawntree.Without(errOnTerminal)
	case !holds && !forkexec.SeesEnd:
		t.held = spawntree.Without(errBlind)
	default:
		return true
	}
	return false
}

// hasTerminal reports whether this process has a controlling terminal.
func hasTerminal() bool {
	fd, err := highfd.Open("/dev/tty", unix.O_RDONLY|unix.O_NOCTTY, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// readsTerminal reports whether a child is to read the controlling terminal, and could not
// from another process group than this process's.
func readsTerminal(stdin io.Reader) bool {
	in, ok := stdin.(*os.File)
	if !ok {
		return false
	}
	return highfd.WithNumber(in, func(n int) error {
		group, err := unix.IoctlGetInt(n, unix.TIOCGPGRP)
		if own, _ := unix.Getpgid(0); err == nil && group != own {
			err = unix.ENOTTY
		}
		return err
	}) == nil
}
