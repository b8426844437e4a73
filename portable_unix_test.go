//go:build unix

package spawn_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func TestPortableDescriptors(t *testing.T) { eachPortably(t, portable.Descriptors) }

func TestPortableBadDescriptors(t *testing.T) {
	free := 200 // beyond the slots, of which another test may be the first to have some
	for unix.Fstat(free, new(unix.Stat_t)) == nil {
		free++
	}
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

func TestPortableClosedStdio(t *testing.T) { eachPortably(t, portable.ClosedStdio) }

func TestPortableScript(t *testing.T) { eachPortably(t, portable.Script) }

func TestPortableOpenAt(t *testing.T) { eachPortably(t, portable.OpenAt) }

func TestPortableFlags(t *testing.T) { eachPortably(t, portable.Flags) }

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
	testenv.Eventually(t, "the process is gone", func() bool {
		runtime.GC()
		return unix.Kill(pid, 0) == unix.ESRCH
	})
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

func TestPortableBusy(t *testing.T) { eachPortably(t, portable.Busy) }

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
