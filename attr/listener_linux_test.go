//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// answering answers all calls until the listener ends, which closes the channel.
func answering(l *attr.SeccompListener, answer func(c *attr.SeccompCall) error) <-chan error {
	done := make(chan error, 1)
	go func() {
		for {
			c, err := l.Recv(context.Background())
			if err == nil {
				err = answer(c)
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	return done
}

// eachListening is EachEngine for those that have listeners.
func eachListening(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	spawntest.EachEngine(t, func(t *testing.T) {
		if !spawn.Features().Has(spawn.FeaturePidfd) {
			var l attr.SeccompListener
			s := spawntest.Exits(t, 7)
			s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
			_, err := spawn.Start(context.Background(), s)
			spawntest.CheckFault(t, err, spawntest.Fails("seccomp", 1, "the listener", unix.ENOSYS))
			if !errors.Is(err, errors.ErrUnsupported) {
				t.Error(err)
			}
			return
		}
		testenv.NeedCall(t, "pidfd_getfd", unix.SYS_PIDFD_GETFD)
		f(t)
	})
}

// calls makes system calls, and prints what comes of them.
var _ = testenv.RegisterHelper("notified calls", func(args []string) int {
	for ; len(args) > 0; args = args[2:] {
		switch args[0] {
		case "mkdir":
			fmt.Println(unix.Mkdir(args[1], 0o700))
		case "pid": // what getpgid says of it
			n, err := unix.Getpgid(len(args[1]))
			fmt.Println(n, err)
		case "nice": // the kernel returns what is missing to 20
			n, err := unix.Getpriority(unix.PRIO_PROCESS, len(args[1]))
			fmt.Println(20-n, err)
		case "read":
			b, err := os.ReadFile(args[1])
			fmt.Println(string(b), err)
		case "fds":
			entries, _ := os.ReadDir("/proc/self/fd")
			for _, e := range entries {
				if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.Contains(to, "seccomp") {
					fmt.Println(e.Name(), to)
				}
			}
		case "meet": // the call that is the engine's
			_, _, errno := unix.Syscall(unix.SYS_EXECVE, 0, uintptr(plan.Rendezvous), 0)
			fmt.Println(errno)
		}
	}
	return 0
})

// TestListener denies a call, and makes up the result of another. The program has no
// descriptor of the listener.
func TestListener(t *testing.T) {
	dir := t.TempDir()
	eachListening(t, func(t *testing.T) {
		var l attr.SeccompListener
		defer l.Close()
		s := spawntest.Helper(t, "notified calls", "mkdir", dir+"/x", "pid", "", "fds", "", "meet", "", "mkdir", dir+"/y")
		s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT, unix.SYS_GETPGID)
		end := answering(&l, func(c *attr.SeccompCall) error {
			if c.Number == unix.SYS_GETPGID {
				return c.Return(-5 + 4716)
			}
			return c.Deny(unix.EXDEV)
		})
		want := fmt.Sprintf("%v\n4711 <nil>\n%v\n%v\n", unix.EXDEV, unix.EFAULT, unix.EXDEV)
		if out := spawntest.Output(t, s); out != want {
			t.Errorf("%q, want %q", out, want)
		}
		if err := testenv.Await(t, "the end of all processes", end); err != io.EOF {
			t.Error(err)
		}
		if _, err := os.Stat(dir + "/x"); err == nil {
			t.Error("it is there")
		}
	})
}

// TestListenerOf64Bits reads memory of a program whose addresses have 64 bits, whatever this
// program's have.
func TestListenerOf64Bits(t *testing.T) {
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "386" {
		testenv.Skip(t, "the program is for amd64")
	}
	dir := t.TempDir()
	const name = "/where/to"
	file := testenv.Write(t, dir+"/program", string(tiny.MakesDirectory(name)), 0o755)
	if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: file}); errors.Is(err, unix.ENOEXEC) {
		testenv.Skip(t, "the kernel runs no programs of 64 bits")
	}
	eachListening(t, func(t *testing.T) {
		const mkdir = 83
		var l attr.SeccompListener
		defer l.Close()
		s := &spawn.Spec{Path: file, Attr: spawntest.Notify(&l, mkdir)}
		end := answering(&l, func(c *attr.SeccompCall) error {
			path := make([]byte, len(name))
			n, err := c.ReadMemory(c.Args[0], path)
			if err != nil || string(path[:n]) != name || c.Args[0] < 1<<40 {
				t.Errorf("%#x: %q, %v", c.Args[0], path[:n], err)
			}
			if n, err := c.ReadMemory(1<<41, path); n != 0 || !errors.Is(err, unix.EFAULT) {
				t.Errorf("where nothing is: %q, %v", path[:n], err)
			}
			return c.Deny(unix.EXDEV)
		})
		state, err := spawn.Run(context.Background(), s)
		if err != nil || state.ExitCode() != int(unix.EXDEV) {
			t.Errorf("%v, %v", state, err)
		}
		if err := testenv.Await(t, "the end of all processes", end); err != io.EOF {
			t.Error(err)
		}
	})
}

// TestListenerAddFD gives the program another file than it opens.
func TestListenerAddFD(t *testing.T) {
	secret := testenv.Write(t, t.TempDir()+"/file", "from the parent", 0o600)
	eachListening(t, func(t *testing.T) {
		var l attr.SeccompListener
		defer l.Close()
		s := spawntest.Helper(t, "notified calls", "read", "/nowhere/one", "read", "/nowhere/two")
		s.Attr = spawntest.Notify(&l, unix.SYS_OPENAT)
		end := answering(&l, func(c *attr.SeccompCall) error {
			path := make([]byte, 12)
			n, err := c.ReadMemory(c.Args[1], path)
			if err != nil {
				return err
			}
			path, _, _ = bytes.Cut(path[:n], []byte{0})
			if !strings.HasPrefix(string(path), "/nowhere/") {
				return c.Continue()
			}
			f, err := os.Open(secret)
			if err != nil {
				return err
			}
			defer f.Close()
			if string(path) == "/nowhere/one" {
				_, err = c.ReturnFD(f, true)
				return err
			}
			number, err := c.AddFD(f, true)
			if err != nil {
				return err
			}
			return c.Return(int64(number))
		})
		if out := spawntest.Output(t, s); out != "from the parent <nil>\nfrom the parent <nil>\n" {
			t.Errorf("%q", out)
		}
		if err := testenv.Await(t, "the end of all processes", end); err != io.EOF {
			t.Error(err)
		}
	})
}

// TestListenerOfExecve is notified of the execve that starts the program, and lets it
// happen or not.
func TestListenerOfExecve(t *testing.T) {
	eachListening(t, func(t *testing.T) {
		for _, deny := range []syscall.Errno{0, unix.EXDEV} {
			var l attr.SeccompListener
			s := spawntest.Exits(t, 7)
			s.Attr = spawntest.Notify(&l, unix.SYS_EXECVE)
			end := answering(&l, func(c *attr.SeccompCall) error {
				path := make([]byte, len(s.Path))
				if _, err := c.ReadMemory(c.Args[0], path); err != nil || string(path) != s.Path {
					return fmt.Errorf("%q, %v", path, err)
				}
				if deny != 0 {
					return c.Deny(deny)
				}
				return c.Continue()
			})
			state, err := spawn.Run(context.Background(), s)
			if deny != 0 {
				spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, s.Path, deny))
			} else if err != nil || state.ExitCode() != 7 {
				t.Errorf("%v, %v", state, err)
			}
			l.Close()
			if err := testenv.Await(t, "the end of all processes", end); err != io.EOF && !errors.Is(err, os.ErrClosed) {
				t.Error(err)
			}
		}
	})
}

// TestListenerOfTwoStarts has a goroutine receive the calls of a start that fails, and of the
// next, which has the same listener.
func TestListenerOfTwoStarts(t *testing.T) {
	eachListening(t, func(t *testing.T) {
		for range 10 {
			var l attr.SeccompListener
			defer l.Close()
			s := spawntest.Exits(t, 7)
			s.Attr = spawntest.Notify(&l, unix.SYS_EXECVE)
			calls := 0
			end := answering(&l, func(c *attr.SeccompCall) error {
				if calls++; calls == 1 {
					return c.Deny(unix.EXDEV)
				}
				return c.Continue()
			})
			if _, err := spawn.Run(context.Background(), s); !errors.Is(err, unix.EXDEV) {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
			defer cancel()
			if state, err := spawn.Run(ctx, s); err != nil || state.ExitCode() != 7 {
				t.Errorf("%v, %v", state, err)
			}
			if err := testenv.Await(t, "the end of all processes", end); err != io.EOF {
				t.Error(err)
			}
		}
	})
}

// TestListenerCanceled ends the context while the child waits for an answer to its execve.
func TestListenerCanceled(t *testing.T) {
	eachListening(t, func(t *testing.T) {
		var l attr.SeccompListener
		defer l.Close()
		s := spawntest.Exits(t, 7)
		s.Attr = spawntest.Notify(&l, unix.SYS_EXECVE)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		calls := make(chan *attr.SeccompCall, 1)
		go func() {
			c, _ := l.Recv(context.Background())
			calls <- c
			cancel()
		}()
		if _, err := spawn.Start(ctx, s); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		c := testenv.Await(t, "the call", calls)
		if err := c.Continue(); !errors.Is(err, unix.ENOENT) && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
		// A failed start lets go of it.
		s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
		if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
		if _, err := l.Recv(context.Background()); err != io.EOF {
			t.Error(err)
		}
		if _, err := spawn.Start(context.Background(), s); !errors.Is(err, unix.EBUSY) {
			t.Errorf("a second start: %v", err)
		}
	})
}

// TestListenerRecvEnds ends Recv in all ways that there are.
func TestListenerRecvEnds(t *testing.T) {
	spawntest.NeedListener(t)
	var l attr.SeccompListener
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := l.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a start: %v", err)
	}
	s := spawntest.Helper(t, "notified calls", "mkdir", "/nowhere/x")
	s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
	p := spawntest.Start(t, s)
	c, err := l.Recv(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	if _, err := l.Recv(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("without a call: %v", err)
	}
	if err := c.Waits(); err != nil || c.TID == 0 {
		t.Errorf("%d, %v", c.TID, err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"waits": c.Waits(), "continue": c.Continue(), "deny": c.Deny(1), "return": c.Return(1),
		"add": second(c.AddFD(os.Stderr, true)), "return a file": second(c.ReturnFD(os.Stderr, true)),
		"read": second(c.ReadMemory(c.Args[1], make([]byte, 1))),
	} {
		if !errors.Is(err, unix.ENOENT) {
			t.Errorf("%s of a dead child: %v", name, err)
		}
	}
	ended := make(chan error, 1)
	var other attr.SeccompListener
	go func() { ended <- second(other.Recv(context.Background())) }()
	other.Close()
	if err := testenv.Await(t, "Recv", ended); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
	l.Close()
	l.Close()
	if err := c.Deny(1); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := spawn.Start(context.Background(), s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// TestListenerClosed has a program whose listener is closed while it waits.
func TestListenerClosed(t *testing.T) {
	spawntest.NeedListener(t)
	var l attr.SeccompListener
	s := spawntest.Helper(t, "notified calls", "mkdir", "/nowhere/x", "mkdir", "/nowhere/y")
	s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
	received, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		received <- second(l.Recv(context.Background()))
		go l.Close()
		ended <- second(l.Recv(context.Background()))
	}()
	want := fmt.Sprintf("%v\n%v\n", unix.ENOSYS, unix.ENOSYS)
	if out := spawntest.Output(t, s); out != want {
		t.Errorf("%q", out)
	}
	if err := testenv.Await(t, "Recv", received); err != nil {
		t.Error(err)
	}
	if err := testenv.Await(t, "Recv", ended); !errors.Is(err, os.ErrClosed) {
		t.Error(err)
	}
}

// TestListenerClosedInStart has a listener closed while the child waits for an answer to its
// execve, whether anybody has received the call or not.
func TestListenerClosedInStart(t *testing.T) {
	eachListening(t, func(t *testing.T) {
		for _, received := range []bool{false, true} {
			var l attr.SeccompListener
			s := spawntest.Exits(t, 7)
			s.Attr = spawntest.Notify(&l, unix.SYS_EXECVE)
			ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
			defer cancel()
			go func() {
				if received {
					_, _ = l.Recv(ctx)
				} else {
					time.Sleep(time.Millisecond)
				}
				l.Close()
			}()
			_, err := spawn.Start(ctx, s)
			var e *spawn.Error
			if !errors.As(err, &e) || e.Step != spawn.StepSeccomp || !errors.Is(err, os.ErrClosed) {
				t.Errorf("received %v: %v", received, err)
			}
		}
	})
}

// TestListenersAtOnce has many starts at once, each with its own listener, and has each program be
// notified of its own execve, too.
func TestListenersAtOnce(t *testing.T) {
	spawntest.NeedListener(t)
	s := spawntest.Shell("exec " + spawntest.Exits(t, 7).Path)
	if err := testenv.AtOnce(100, func() error { return listens(s, 2) }); err != nil {
		t.Error(err)
	}
}
