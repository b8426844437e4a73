//go:build unix

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// "inherited" prints what it has got, but for its arguments.
var _ = testenv.RegisterHelper("inherited", func(args []string) int {
	got := slices.DeleteFunc(passedOn(), func(n string) bool { return slices.Contains(args, n) })
	os.Stdout.WriteString(strings.Join(got, " "))
	return 0
})

// passedOn is the descriptors that are not close-on-exec: those of a program when
// it begins, for package os opens none.
func passedOn() (list []string) {
	for n := range 100 {
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			list = append(list, fmt.Sprint(n))
		}
	}
	return list
}

// openAt40 opens /dev/null as descriptor 40 or the next that is free.
func openAt40(t *testing.T, cmd int) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := unix.FcntlInt(f.Fd(), cmd, 40)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(n) })
	return n
}

func TestPortableDescriptors(t *testing.T) {
	others := slices.DeleteFunc(passedOn(), func(n string) bool { return len(n) == 1 && n < "3" })
	open, cloexec := openAt40(t, unix.F_DUPFD), openAt40(t, unix.F_DUPFD)
	unix.CloseOnExec(cloexec)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cases := []struct {
		name    string
		actions func(a *spawn.FileActions)
		out     string
	}{
		{"nothing but 0, 1 and 2", func(a *spawn.FileActions) {}, "0 1 2"},
		{"gaps", func(a *spawn.FileActions) { a.File(null, 20); a.File(null, 5) }, "0 1 2 5 20"},
		{"inherit", func(a *spawn.FileActions) { a.Inherit(open); a.Inherit(cloexec) }, fmt.Sprintf("0 1 2 %d %d", open, cloexec)},
		{"dup2 to itself", func(a *spawn.FileActions) { a.Dup2(cloexec, cloexec) }, fmt.Sprint("0 1 2 ", cloexec)},
		{"dup2 does not keep", func(a *spawn.FileActions) { a.Dup2(open, 6) }, "0 1 2 6"},
		{"closefrom", func(a *spawn.FileActions) {
			a.File(null, 3)
			a.File(null, 4)
			a.File(null, 5)
			a.CloseFrom(4)
			a.File(null, 8)
		}, "0 1 2 3 8"},
		{"close", func(a *spawn.FileActions) { a.File(null, 6); a.File(null, 7); a.Close(6) }, "0 1 2 7"},
		{"close after inherit", func(a *spawn.FileActions) { a.Inherit(open); a.Close(open) }, "0 1 2"},
		{"inherit all", func(a *spawn.FileActions) { a.InheritAll() }, fmt.Sprint("0 1 2 ", open)},
		{"inherit all around a file", func(a *spawn.FileActions) { a.File(null, 60); a.InheritAll() }, fmt.Sprintf("0 1 2 %d 60", open)},
		{"inherit all but one", func(a *spawn.FileActions) { a.InheritAll(); a.Close(open) }, "0 1 2"},
		{"inherit all but the upper", func(a *spawn.FileActions) { a.InheritAll(); a.CloseFrom(open) }, "0 1 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spawntest.EachEngine(t, func(t *testing.T) {
				if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && c.out == "0 1 2" {
					testenv.Skip(t, "descriptors above those that are named are not closed here")
				}
				s := spawntest.Helper(t, "inherited")
				if strings.HasPrefix(c.name, "inherit all") {
					s.Args = append(s.Args, others...)
				}
				c.actions(&s.Actions)
				if got := spawntest.Output(t, s); got != c.out {
					t.Errorf("got %q, want %q", got, c.out)
				}
			})
		})
	}
}

func TestPortableBadDescriptors(t *testing.T) {
	free := openAt40(t, unix.F_DUPFD) + 7
	for _, c := range []startError{
		{name: "dup2", step: "dup2", index: 1, err: syscall.EBADF, change: func(a *spawn.FileActions) { a.Close(9); a.Dup2(free, 1) }},
		{name: "inherit", step: "inherit", err: syscall.EBADF, change: func(a *spawn.FileActions) { a.Inherit(free) }},
		{name: "closed before", step: "dup2", index: 1, err: syscall.EINVAL, change: func(a *spawn.FileActions) { a.Close(1); a.Dup2(1, 2) }},
		{name: "closed from", step: "inherit", index: 1, err: syscall.EINVAL, change: func(a *spawn.FileActions) { a.CloseFrom(2); a.Inherit(2) }},
		{name: "over the limit", step: "dup2", err: syscall.EINVAL, change: func(a *spawn.FileActions) { a.Dup2(1, 1<<31-1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			spawntest.EachEngine(t, func(t *testing.T) {
				c.spec = *spawntest.Helper(t, "exit", "0")
				c.change(&c.spec.Actions)
				_, err := spawn.Start(t.Context(), &c.spec)
				c.check(t, err)
			})
		})
	}
}

// TestPortableClosedStdio has a shell say what is closed: Go opens what is
// missing of 0, 1 and 2.
func TestPortableClosedStdio(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "for n in 0 2 5; do (exec 9<&$n) && echo $n; done"}}
		s.Actions.Close(2)
		s.Actions.Dup2(0, 5)
		s.Actions.Close(0)
		if got := spawntest.Output(t, s); got != "5\n" {
			t.Errorf("open: %q", got)
		}
	})
}

func TestPortableScript(t *testing.T) {
	dir := portableDir(t)
	script := filepath.Join(dir, "sub", "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho \"$0 $#\"\npwd\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "sub"), link); err != nil {
		t.Fatal(err)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		if got, want := spawntest.Output(t, &spawn.Spec{Path: script}), script+" 0\n"; !strings.HasPrefix(got, want) {
			t.Errorf("nil Args: %q, want %q first", got, want)
		}
		s := &spawn.Spec{Path: "./script", Env: []string{}}
		s.Actions.Chdir(link)
		s.Actions.Open(7, "../old", os.O_RDONLY, 0) // above sub, not above link
		if got, want := spawntest.Output(t, s), fmt.Sprintf("./script 0\n%s\n", filepath.Join(dir, "sub")); got != want {
			t.Errorf("relative path: %q, want %q", got, want)
		}
	})
}

func TestPortableOpenAt(t *testing.T) {
	dir := portableDir(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "talk")
		s.Actions.Open(5, dir, os.O_RDONLY, 0)
		s.Actions.Chdir("/")
		s.Actions.OpenAt(1, 5, "new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
		s.Actions.OpenAt(5, 5, "sub/new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600|os.ModeSticky)
		s.Actions.Dup2(5, 2)
		spawntest.Output(t, s)
		for name, want := range map[string]string{"new": "out\n", "sub/new": "err\n"} {
			got, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || string(got) != want {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		st, err := os.Stat(filepath.Join(dir, "new"))
		if err != nil {
			t.Fatal(err)
		}
		umask := unix.Umask(0)
		unix.Umask(umask)
		if want := os.FileMode(0o640 &^ umask); st.Mode() != want {
			t.Errorf("mode %v, want %v", st.Mode(), want)
		}
	})
}

// fileFlags reads the flags of an open file without changing them.
func fileFlags(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var inner error
	err = conn.Control(func(fd uintptr) { flags, inner = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err := errors.Join(err, inner); err != nil {
		t.Fatal(err)
	}
	return flags
}

// TestPortableFlags finds the caller's files as they were: non-blocking, and
// with deadlines that work.
func TestPortableFlags(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		before := [2]int{fileFlags(t, r), fileFlags(t, w)}
		if before[0]&unix.O_NONBLOCK == 0 {
			t.Fatal("os.Pipe is blocking; this test shows nothing")
		}
		for _, path := range []string{testenv.Self(t), "/nonexistent"} {
			s := spawntest.Helper(t, "exit", "0")
			s.Path = path
			s.Actions.File(r, 0)
			s.Actions.File(w, 5)
			_, err := spawn.Run(t.Context(), s)
			if (err != nil) != (path == "/nonexistent") {
				t.Fatal(err)
			}
			if after := [2]int{fileFlags(t, r), fileFlags(t, w)}; after != before {
				t.Fatalf("%s: flags %#x, before %#x", path, after, before)
			}
		}
		if err := r.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
	})
}

func TestPortableSignals(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, sig := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM} {
			p, _ := staying(t, t.Context())
			if err := p.Signal(notASignal{}); !errors.Is(err, syscall.EINVAL) {
				t.Errorf("a signal that is none: %v", err)
			}
			if err := p.Signal(syscall.Signal(0)); err != nil {
				t.Errorf("signal 0: %v", err)
			}
			if err := p.Signal(sig); err != nil {
				t.Fatal(err)
			}
			state, err := p.Wait(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			if !state.Signaled() || state.Signal() != sig || state.Exited() || state.ExitCode() != -1 || state.String() != "signal: "+sig.String() {
				t.Errorf("%v: %v", sig, state)
			}
			if _, ok := state.Sys().(syscall.WaitStatus); !ok || state.Rusage() == nil {
				t.Errorf("sys %T, usage %v", state.Sys(), state.Rusage())
			}
		}
	})
}

type notASignal struct{}

func (notASignal) String() string { return "not a signal" }
func (notASignal) Signal()        {}

// gone waits until a process has been reaped: a zombie can be signalled.
func gone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); unix.Kill(pid, 0) != unix.ESRCH; {
		if time.Now().After(deadline) {
			t.Fatalf("process %d is still there", pid)
		}
		runtime.GC()
		time.Sleep(5 * time.Millisecond)
	}
}

func TestPortableReleased(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, release := staying(t, t.Context())
		if err := p.Release(); err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(syscall.Signal(0)); err != nil {
			t.Errorf("signal after Release: %v", err)
		}
		release()
		gone(t, p.Pid())
	})
}

func TestPortableDropped(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, err := spawn.Start(t.Context(), spawntest.Helper(t, "exit", "0"))
		if err != nil {
			t.Fatal(err)
		}
		gone(t, p.Pid()+0*len(t.Name())) // p is dead from here on
	})
}

// TestPortableStatusTaken waits for a child behind the back of its Process.
func TestPortableStatusTaken(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, err := spawn.Start(t.Context(), spawntest.Helper(t, "exit", "3"))
		if err != nil {
			t.Fatal(err)
		}
		var status unix.WaitStatus
		if _, err := unix.Wait4(p.Pid(), &status, 0, nil); err != nil {
			t.Fatal(err)
		}
		state, err := p.Wait(t.Context())
		if !errors.Is(err, spawn.ErrStatusTaken) && (err != nil || state.ExitCode() != 3) {
			t.Errorf("%v, %v", state, err)
		}
	})
}

func TestPortableBusy(t *testing.T) {
	path, err := exec.LookPath("true")
	if err != nil {
		testenv.Skip(t, "no program to copy")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "true")
	if err := os.WriteFile(program, text, 0o700); err != nil {
		t.Fatal(err)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		f, err := os.OpenFile(program, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(20*time.Millisecond, func() { f.Close() })
		defer timer.Stop()
		if _, err := spawn.Run(t.Context(), &spawn.Spec{Path: program}); err != nil {
			t.Error(err)
		}
	})
}

func TestPortableSession(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{attr.Setsid{}, attr.Setpgid{}} {
			s := spawntest.Helper(t, "group")
			s.Attr = attr.List{a}
			if got := spawntest.Output(t, s); got != "leader" {
				t.Errorf("%T: %s", a, got)
			}
		}
		if got := spawntest.Output(t, spawntest.Helper(t, "group")); got != "follower" {
			t.Errorf("without: %s", got)
		}
	})
}

var _ = testenv.RegisterHelper("group", func([]string) int {
	if pgrp, err := unix.Getpgid(0); err == nil && pgrp == os.Getpid() {
		os.Stdout.WriteString("leader")
	} else {
		os.Stdout.WriteString("follower")
	}
	return 0
})
