package exec

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"
)

// PTY is a new terminal for a program. See [Cmd.PTY].
type PTY struct {
	// Rows and Cols are the size of the terminal, in characters, when the program
	// begins. Zero means unknown, as the kernel has it for a new terminal.
	Rows, Cols uint16
}

// Terminal is this process's end of the terminal that a program has; see [Cmd.PTY]. All
// methods may be called from several goroutines at once, and after the end of the program.
//
// Reads are what the program writes to the terminal, and the echo of what is written to
// it. Writes are what the program reads. The terminal changes both as a terminal does: a
// line feed is read as carriage return and line feed, and the byte 3 (^C) interrupts the
// processes in the foreground. See termios(3).
type Terminal struct{ file *os.File }

// Read reads from the terminal. The end is io.EOF: it is reached when no process has
// the terminal open any more, the descendants of the program included, and when all that
// they have written was read.
func (t *Terminal) Read(b []byte) (int, error) {
	n, err := t.file.Read(b)
	if n == 0 && errors.Is(err, syscall.EIO) {
		err = io.EOF
	}
	return n, err
}

// Write writes to the terminal. If the program does not read, Write blocks when the
// terminal is full. Write does not tell that no process has the terminal open any more:
// Read does.
func (t *Terminal) Write(b []byte) (int, error) { return t.file.Write(b) }

// Close hangs up. The leader of the terminal's session, which is the program, and the
// processes in the foreground get SIGHUP. What was not read is lost.
func (t *Terminal) Close() error { return t.file.Close() }

// SetDeadline, SetReadDeadline and SetWriteDeadline are those of os.File. A call that
// the deadline ends returns an error that matches os.ErrDeadlineExceeded.
func (t *Terminal) SetDeadline(at time.Time) error { return t.file.SetDeadline(at) }

// SetReadDeadline is for Read alone.
func (t *Terminal) SetReadDeadline(at time.Time) error { return t.file.SetReadDeadline(at) }

// SetWriteDeadline is for Write alone.
func (t *Terminal) SetWriteDeadline(at time.Time) error { return t.file.SetWriteDeadline(at) }

// Resize changes the size of the terminal. If the size is another one than before, the
// processes in the foreground get SIGWINCH.
func (t *Terminal) Resize(rows, cols uint16) error { return setSize(t.file, rows, cols) }

// File is the file that t reads and writes, for system calls. It stays t's to close.
func (t *Terminal) File() *os.File { return t.file }

// Terminal is this process's end of the program's terminal. It is nil without PTY, and
// until Start has returned without an error. Wait does not close it: close it when you
// have read all, or to hang up.
func (c *Cmd) Terminal() *Terminal { return c.terminal }

// onPTY makes the terminal and the standard streams that the child has with it.
func (c *Cmd) onPTY() (files [3]*os.File, err error) {
	master, tty, err := openPTY(c.PTY)
	if err != nil {
		return files, err
	}
	c.terminal, c.tty = &Terminal{master}, tty
	c.streams.child = append(c.streams.child, tty)
	files = [3]*os.File{tty, tty, tty}
	if c.Stdin != nil {
		if files[0], err = c.source(); err != nil {
			return files, err
		}
	}
	if c.Stdout != nil {
		if files[1], err = c.sink(c.Stdout); err != nil {
			return files, err
		}
	}
	switch {
	case c.Stderr == nil:
	case c.Stdout != nil && same(c.Stderr, c.Stdout):
		files[2] = files[1]
	default:
		files[2], err = c.sink(c.Stderr)
	}
	return files, err
}

// dropTerminal closes the terminal of a program that was not started.
func (c *Cmd) dropTerminal() {
	if c.terminal != nil {
		c.terminal.Close()
	}
	c.terminal = nil
}
