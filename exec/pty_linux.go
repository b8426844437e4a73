//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
)

// openPTY makes a terminal. Of its two ends master does not block.
func openPTY(p *PTY) (master, tty *os.File, err error) {
	fd, peer, name, err := highfd.PTY()
	if err != nil {
		return nil, nil, err
	}
	master, tty = highfd.NewFile(fd, highfd.Multiplexer), os.NewFile(uintptr(peer), name)
	if p.Rows != 0 || p.Cols != 0 {
		err = setSize(master, p.Rows, p.Cols)
	}
	if err != nil {
		master.Close()
		tty.Close()
		return nil, nil, err
	}
	return master, tty, nil
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
