package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/safespawn/spawn/internal/highfd"
)

// screen is the terminal that a program has with --pty, between the program and the
// standard input and output of this process.
type screen struct {
	master *os.File
	tty    *os.File // the program's end; it is open here, too, so that master has no end before
	isTerm bool     // whether standard input is a terminal

	copied chan struct{} // closed when all output was copied

	mu   sync.Mutex
	mode *term.State // of standard input as it was; nil while it is not raw
}

// newScreen makes a terminal like that of standard input. Without one it does not echo.
func newScreen() (*screen, error) {
	fd, peer, name, err := highfd.PTY()
	if err != nil {
		return nil, fmt.Errorf("--pty: %w", err)
	}
	s := &screen{master: highfd.NewFile(fd, highfd.Multiplexer), tty: os.NewFile(uintptr(peer), name), copied: make(chan struct{})}
	s.isTerm = term.IsTerminal(0)
	from := peer
	if s.isTerm {
		from = 0
	}
	modes, err := unix.IoctlGetTermios(from, unix.TCGETS)
	if err == nil {
		if !s.isTerm {
			modes.Lflag &^= unix.ECHO
		}
		err = unix.IoctlSetTermios(peer, unix.TCSETS, modes)
	}
	if err != nil {
		s.close()
		return nil, fmt.Errorf("--pty: %w", err)
	}
	s.resize()
	return s, nil
}

// close hangs up: the program gets SIGHUP if it still has the terminal.
func (s *screen) close() {
	if s == nil {
		return
	}
	s.restore()
	_ = s.master.Close() // the kernel has what was written
	_ = s.tty.Close()
}

// file is what the program has for standard streams.
func (s *screen) file() *os.File {
	if s == nil {
		return nil
	}
	return s.tty
}

// resize gives the terminal the size of that of this process. It reports whether there
// is one.
func (s *screen) resize() bool {
	for fd := range 3 {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err != nil {
			continue
		}
		err = highfd.WithNumber(s.master, func(fd int) error { return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size) })
		return err == nil
	}
	return false
}

// raw makes standard input pass on all keys, those that send signals included.
func (s *screen) raw() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isTerm || !inputIsOurs() {
		return nil
	}
	mode, err := term.MakeRaw(0)
	if err == nil && s.mode == nil {
		s.mode = mode
	}
	return err
}

// restore undoes raw. It does nothing in the background, where the terminal is
// somebody else's.
func (s *screen) restore() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mode != nil && inputIsOurs() {
		_ = term.Restore(0, s.mode) // else the terminal is gone
	}
	s.mode = nil
}

// inputIsOurs reports whether this process may set the modes of the terminal on standard
// input: it is in the foreground, or the terminal is not that of its session.
func inputIsOurs() bool {
	group, err := unix.IoctlGetInt(0, unix.TIOCGPGRP)
	return err != nil || group == ownGroup()
}

// begin copies in both directions, once the program runs.
func (s *screen) begin() {
	if s == nil {
		return
	}
	if err := s.raw(); err != nil {
		complain("--pty: standard input:", err)
	}
	s.resize() // it may have changed since
	go s.guarded(s.input)
	go s.guarded(s.output)
}

// guarded calls a function. The terminal is restored before a panic ends this process.
func (s *screen) guarded(f func()) {
	returned := false
	defer func() {
		if !returned {
			s.restore()
		}
	}()
	f()
	returned = true
}

// output copies what the program writes, until drain has come to an end.
func (s *screen) output() {
	defer close(s.copied)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.master.Read(buf)
		switch {
		case n > 0:
			if !s.put(buf[:n]) {
				return
			}
		case errors.Is(err, os.ErrDeadlineExceeded):
			s.drain(buf)
			return
		case err != nil:
			return
		}
	}
}

// mostLeft is more than the kernel keeps of what was written to a terminal.
const mostLeft = 1 << 20

// drain copies what is left when the program has ended. Others that have the terminal may
// go on to write, for ever.
func (s *screen) drain(buf []byte) {
	for n, left := 0, mostLeft; left > 0; left -= n {
		n = 0
		_ = highfd.WithNumber(s.master, func(fd int) (err error) { // an error is the end
			n, err = unix.Read(fd, buf)
			return err
		})
		if n <= 0 || !s.put(buf[:n]) {
			return
		}
	}
}

// put writes to standard output. If nobody reads that any more, or if it is full, it hangs
// up, and returns false.
func (s *screen) put(b []byte) bool {
	_, err := os.Stdout.Write(b)
	if err == nil {
		return true
	}
	if !errors.Is(err, syscall.EPIPE) {
		complain("--pty: standard output:", errors.Unwrap(err))
	}
	_ = s.master.Close() // nothing is lost that could be written
	return false
}

// input copies standard input to the terminal. The end of a file is as the key for it.
func (s *screen) input() {
	buf := make([]byte, 4096)
	last := byte('\n')
	for {
		n, err := os.Stdin.Read(buf)
		if n > 0 {
			last = buf[n-1]
			if _, err := s.master.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil && !s.isTerm {
			s.endOfInput(last)
		}
		if err != nil {
			return
		}
	}
}

// endOfInput types the key that is the end of a file. A line that was begun needs it
// twice. A program that reads keys finds no end.
func (s *screen) endOfInput(last byte) {
	var modes *unix.Termios
	err := highfd.WithNumber(s.master, func(fd int) (err error) {
		modes, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	if err != nil || modes.Lflag&unix.ICANON == 0 || modes.Cc[unix.VEOF] == 0 {
		return
	}
	keys := []byte{modes.Cc[unix.VEOF]}
	if last != '\n' {
		keys = append(keys, keys[0])
	}
	_, _ = s.master.Write(keys) // it fails when there is nobody to read
}

// lastDrain is how long the last output of a program may take until keys send signals again.
// If --timeout has ended the program, the rest of the output is then lost.
const lastDrain = time.Second

// finish waits until the output of the program, which has ended, is copied, or until a
// signal says that nobody wants it.
func (s *screen) finish(r *relay, timedOut bool) {
	if s == nil {
		return
	}
	_ = s.master.SetReadDeadline(time.Now()) // it fails when it is closed
	late := time.After(lastDrain)
	for {
		select {
		case <-s.copied:
			return
		case sig := <-r.signals:
			if n, ok := sig.(syscall.Signal); ok && ends(n) {
				return
			}
		case <-late:
			if timedOut {
				return
			}
			s.restore()
		}
	}
}

// stopping are the signals that a screen wants to know of besides, but for those that are
// ignored, of which package os/signal knows nothing as long as nobody asks for them.
func stopping() []os.Signal {
	text, _ := os.ReadFile("/proc/self/status") // without it none is known to be ignored
	_, after, _ := strings.Cut(string(text), "\nSigIgn:\t")
	digits, _, _ := strings.Cut(after, "\n")
	ignored, _ := strconv.ParseUint(digits, 16, 64)
	return slices.DeleteFunc([]os.Signal{syscall.SIGTSTP, syscall.SIGCONT}, func(sig os.Signal) bool {
		return ignored&(1<<(sig.(syscall.Signal)-1)) != 0
	})
}

// takes does what a signal means for the terminal, and reports whether it is not for the
// program.
func (s *screen) takes(sig os.Signal) bool {
	if s == nil {
		return false
	}
	switch sig {
	case syscall.SIGWINCH:
		return s.resize()
	case syscall.SIGTSTP:
		s.restore()
		_ = unix.Kill(os.Getpid(), unix.SIGSTOP) // SIGCONT, which comes then, is another signal
		return true
	case syscall.SIGCONT:
		_ = s.raw() // there may be no terminal any more
		s.resize()
	}
	return false
}
