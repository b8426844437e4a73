//go:build unix

package forkexec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
)

func TestDescriptors(t *testing.T) { portable.Descriptors(t, runPortable) }

func TestClosedStdio(t *testing.T) { portable.ClosedStdio(t, runPortable) }

func TestScript(t *testing.T) { portable.Script(t, runPortable) }

func TestOpenAt(t *testing.T) { portable.OpenAt(t, runPortable) }

func TestFlags(t *testing.T) { portable.Flags(t, runPortable) }

func TestBusy(t *testing.T) { portable.Busy(t, runPortable) }

func TestBadDescriptors(t *testing.T) {
	free := portable.OpenAt40(t, unix.F_DUPFD) + 7
	for _, c := range []struct {
		fault
		change func(a *actions)
	}{
		{fault{name: "dup2", step: "dup2", index: 1, err: syscall.EBADF}, func(a *actions) { a.Close(9); a.Dup2(free, 1) }},
		{fault{name: "inherit", step: "inherit", err: syscall.EBADF}, func(a *actions) { a.Inherit(free) }},
		{fault{name: "closed before", step: "dup2", index: 1, err: syscall.EINVAL}, func(a *actions) { a.Close(1); a.Dup2(1, 2) }},
		{fault{name: "closed from", step: "inherit", index: 1, err: syscall.EINVAL}, func(a *actions) { a.CloseFrom(2); a.Inherit(2) }},
		{fault{name: "over the limit", step: "dup2", err: syscall.EINVAL}, func(a *actions) { a.Dup2(1, 1<<31-1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.part = plan.PartAction
			_, err := start(t.Context(), with(helper(t, "exit", "0"), c.change))
			c.check(t, err)
		})
	}
}

// "no numbers left" starts a child when no descriptor is to be had.
var _ = testenv.RegisterHelper("no numbers left", func([]string) int {
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 4, Max: 4}); err != nil {
		return 1
	}
	_, err := start(context.Background(), &forkexec.Input{Path: "/bin/true", Argv: []string{"true"}})
	var e *plan.Error
	if !errors.As(err, &e) || e.Part != plan.PartStart || e.Index != -1 || !errors.Is(err, syscall.EMFILE) {
		fmt.Println(err)
		return 2
	}
	return 0
})

// TestNoNumbers wants an error where a standard stream can't be duplicated.
func TestNoNumbers(t *testing.T) { output(t, helper(t, "no numbers left")) }

func TestSession(t *testing.T) {
	for _, a := range []attr.Attr{attr.Setsid{}, attr.Setpgid{}} {
		in := helper(t, "group")
		in.Attr = attr.List{a}
		if got := output(t, in); got != "leader" {
			t.Errorf("%T: %s", a, got)
		}
	}
	if got := output(t, helper(t, "group")); got != "follower" {
		t.Errorf("without: %s", got)
	}
}

var _ = testenv.RegisterHelper("group", func([]string) int {
	if pgrp, err := unix.Getpgid(0); err == nil && pgrp == os.Getpid() {
		os.Stdout.WriteString("leader")
	} else {
		os.Stdout.WriteString("follower")
	}
	return 0
})

// TestStatusTaken waits for a child behind the back of Wait.
func TestStatusTaken(t *testing.T) {
	c, err := start(t.Context(), helper(t, "exit", "3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Wait4(c.PID(), nil, 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Wait(); err != syscall.ECHILD {
		t.Errorf("%v", err)
	}
}

// "stay" ends with its standard input.
var _ = testenv.RegisterHelper("stay", func([]string) int {
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
})

// staying starts "stay", which is let go by release or at the end of the test.
func staying(t *testing.T) (c forkexec.Child, release func()) {
	t.Helper()
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	t.Cleanup(func() { hold.Close() })
	c, err = start(t.Context(), with(helper(t, "stay"), func(a *actions) { a.File(in, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { hold.Close() }
}

func TestSignal(t *testing.T) {
	c, _ := staying(t)
	if err := c.Signal(notASignal{}); err != syscall.EINVAL {
		t.Errorf("a signal that is none: %v", err)
	}
	if err := c.Signal(syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	if status, _, err := c.Wait(); err != nil || status.Signal() != syscall.SIGTERM {
		t.Errorf("%v, %v", status, err)
	}
}

type notASignal struct{}

func (notASignal) String() string { return "not a signal" }
func (notASignal) Signal()        {}
