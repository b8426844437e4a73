//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("size", func([]string) int {
		events := make(chan os.Signal, 8)
		signal.Notify(events, unix.SIGWINCH, unix.SIGINT)
		if err := testenv.KeepWritten(0); err != nil {
			return status(err)
		}
		for {
			w, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
			if err != nil {
				return status(err)
			}
			fmt.Println("size", w.Row, w.Col)
			if <-events == unix.SIGINT {
				fmt.Println("interrupted")
				return 0
			}
		}
	})
}

func init() {
	testenv.RegisterHelper("own terminal", func([]string) int {
		sid, err := unix.Getsid(0)
		group, ferr := unix.IoctlGetInt(2, unix.TIOCGPGRP)
		if err != nil || ferr != nil || sid != os.Getpid() || group != sid {
			return status(fmt.Errorf("session %d, %w, foreground %d, %w", sid, err, group, ferr))
		}
		var open []int
		for fd := range 64 {
			if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
				open = append(open, fd)
			}
		}
		fmt.Print(open)
		return 0
	})
}

// needPTY skips a test where no terminal can be made.
func needPTY(t *testing.T) {
	t.Helper()
	testenv.OpenPTY(t)
}

// startPTY starts a program on a terminal.
func startPTY(t *testing.T, c *exec.Cmd, size exec.PTY) (term *exec.Terminal, lines *bufio.Scanner) {
	t.Helper()
	needPTY(t)
	c.PTY = &size
	c.Attr = append(c.Attr, attr.SigDefault{unix.SIGHUP, unix.SIGINT}) // nohup ignores them, and shells do for what is in the background
	if c.Terminal() != nil {
		t.Error("a terminal before Start")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	term = c.Terminal()
	t.Cleanup(func() { term.Close() })
	return term, bufio.NewScanner(term)
}

// wantLine reads a line from a terminal.
func wantLine(t *testing.T, lines *bufio.Scanner, want string) {
	t.Helper()
	for lines.Scan() {
		if got := strings.TrimPrefix(lines.Text(), "^C"); got == want {
			return
		} else if got != "" {
			t.Errorf("%q, want %q", got, want)
		}
	}
	t.Fatalf("%v at the end, want %q", lines.Err(), want)
}

// TestPTY lets a program read its size, changes the size, and interrupts the program
// by the terminal.
func TestPTY(t *testing.T) {
	for _, tree := range []bool{false, true} {
		c := helperCmd(t, "size")
		c.Tree = tree
		term, lines := startPTY(t, c, exec.PTY{Rows: 17, Cols: 71})
		wantLine(t, lines, "size 17 71")
		if err := term.Resize(9, 200); err != nil {
			t.Fatal(err)
		}
		wantLine(t, lines, "size 9 200")
		if _, err := term.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		wantLine(t, lines, "interrupted")
		if lines.Scan() || lines.Err() != nil {
			t.Errorf("%q, %v after the end", lines.Text(), lines.Err())
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
		if err := term.Close(); err != nil {
			t.Error(err)
		}
	}
}

func init() {
	testenv.RegisterHelper("resizes", func([]string) int {
		for n := range uint16(500) {
			if err := unix.IoctlSetWinsize(1, unix.TIOCSWINSZ, &unix.Winsize{Row: n, Col: 500 - n}); err != nil {
				return status(err)
			}
		}
		fmt.Println("done")
		fmt.Scanln() // until both have
		if err := unix.IoctlSetWinsize(1, unix.TIOCSWINSZ, &unix.Winsize{Row: 11, Col: 22}); err != nil {
			return status(err)
		}
		fmt.Println("smaller")
		return 0
	})
}

// TestPTYResizedByProgram has the program change the size, too, at the same time and last.
func TestPTYResizedByProgram(t *testing.T) {
	c := helperCmd(t, "resizes")
	term, lines := startPTY(t, c, exec.PTY{Rows: 17, Cols: 71})
	for n := range uint16(500) {
		if err := term.Resize(n, n); err != nil {
			t.Fatal(err)
		}
	}
	wantLine(t, lines, "done")
	if _, err := term.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	wantLine(t, lines, "smaller")
	testenv.Control(t, term.File(), func(fd int) error {
		size, err := unix.IoctlGetWinsize(fd, unix.TIOCGWINSZ)
		if err == nil && (size.Row != 11 || size.Col != 22) {
			err = fmt.Errorf("the size is %d by %d", size.Row, size.Col)
		}
		return err
	})
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestPTYEnd wants all that was written to be read after the program has ended, and
// then io.EOF, again and again.
func TestPTYEnd(t *testing.T) {
	needPTY(t)
	c := exec.Command("/bin/sh", "-c", "stty -onlcr; echo one; echo two >&2; tty >/dev/null && exit 3")
	c.PTY = &exec.PTY{}
	if err := c.Run(); c.ProcessState.ExitCode() != 3 {
		t.Fatal(err)
	}
	defer c.Terminal().Close()
	got, err := io.ReadAll(c.Terminal())
	if string(got) != "one\ntwo\n" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if n, err := c.Terminal().Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("%d, %v", n, err)
	}
}

// TestPTYStreams wants the streams that are set to be what they are set to.
func TestPTYStreams(t *testing.T) {
	var out strings.Builder
	c := exec.Command("/bin/sh", "-c", "cat; test -t 0 || test -t 1 || echo tty >/dev/tty; test -t 2")
	c.Stdin, c.Stdout = strings.NewReader("in"), &out
	_, lines := startPTY(t, c, exec.PTY{})
	wantLine(t, lines, "tty")
	if err := c.Wait(); err != nil || out.String() != "in" {
		t.Errorf("%q, %v", out.String(), err)
	}
}

// TestPTYHangUp wants the program to be told that the terminal is gone.
func TestPTYHangUp(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "echo ready; exec sleep 1000") // one that reads may be told by the end of what it reads
	term, lines := startPTY(t, c, exec.PTY{})
	wantLine(t, lines, "ready")
	if err := term.Close(); err != nil {
		t.Fatal(err)
	}
	var e *exec.ExitError
	if err := c.Wait(); !errors.As(err, &e) || e.Sys().(syscall.WaitStatus).Signal() != unix.SIGHUP {
		t.Errorf("%v, want SIGHUP", err)
	}
	if err := term.Resize(1, 1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestPTYDeadline wants a Read that blocks to end.
func TestPTYDeadline(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", "read x")
	term, _ := startPTY(t, c, exec.PTY{})
	if err := term.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := term.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
	if err := term.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(term, "x\n"); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestPTYFailure wants nothing to be left of a start that fails; TestMain looks, too.
func TestPTYFailure(t *testing.T) {
	needPTY(t)
	before := openTerminals(t)
	for name, c := range map[string]*exec.Cmd{
		"no program": {Path: "/no/such/program"},
		"a group":    {Path: "/bin/sh", SysProcAttr: &syscall.SysProcAttr{Setpgid: true}},
		"a terminal": {Path: "/bin/sh", Attr: attr.List{attr.DetachTTY{}, attr.DetachTTY{}}},
		"a stream":   {Path: "/bin/sh", Stdout: os.NewFile(1<<20, "none")},
	} {
		c.PTY = &exec.PTY{Rows: 1}
		if err := c.Start(); err == nil || c.Terminal() != nil {
			t.Errorf("%s: %v, %v", name, err, c.Terminal())
		}
	}
	if after := openTerminals(t); after != before {
		t.Errorf("%d files are open, were %d", after, before)
	}
}

// openTerminals counts the terminals that are open.
func openTerminals(t *testing.T) (n int) {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && (strings.HasPrefix(target, "/dev/pts/") || strings.HasSuffix(target, "/ptmx")) {
			n++
		}
	}
	return n
}

// TestPTYDescriptors wants the program to have nothing but the terminal, and the
// terminal to be its own.
func TestPTYDescriptors(t *testing.T) {
	needPTY(t)
	c := helperCmd(t, "own terminal")
	c.PTY = &exec.PTY{}
	if err := c.Run(); err != nil {
		t.Fatal(err)
	}
	defer c.Terminal().Close()
	if got, err := io.ReadAll(c.Terminal()); string(got) != "[0 1 2]" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}

// TestPTYByName opens the other end as before Linux 4.13.
func TestPTYByName(t *testing.T) {
	needPTY(t)
	n, err := exec.OpenByName()
	if err != nil || n == "" {
		t.Errorf("%q, %v", n, err)
	}
}
