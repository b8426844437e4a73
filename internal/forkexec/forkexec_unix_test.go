//go:build unix

package forkexec_test

import (
	"errors"
	"io"
	"io/fs"
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

func TestClosedBefore(t *testing.T) {
	for name, c := range map[string]struct {
		step   string
		change func(a *actions)
	}{
		"openat":    {plan.StepOpenAt, func(a *actions) { a.OpenAt(1, 9, "x", 0, 0) }},
		"fchdir":    {plan.StepFchdir, func(a *actions) { a.Fchdir(9) }},
		"tcsetpgrp": {plan.StepTcsetpgrp, func(a *actions) { a.Tcsetpgrp(9) }},
	} {
		t.Run(name, func(t *testing.T) {
			in := with(&forkexec.Input{Path: "/x"}, func(a *actions) { a.Close(9); c.change(a) })
			_, err := forkexec.Compile(in)
			(&fault{part: plan.PartAction, step: c.step, index: 1, err: syscall.EINVAL}).check(t, err)
		})
	}
}

// "without input" closes its standard input and has a shell look for it.
var _ = testenv.RegisterHelper("without input", func([]string) int {
	if err := unix.Close(0); err != nil {
		return 1
	}
	status, err := run(&forkexec.Input{
		Path: "/bin/sh", Argv: []string{"sh", "-c", "(exec 9<&0) 2>/dev/null && echo open; true"},
	})
	if err != nil || status.ExitStatus() != 0 {
		return 2
	}
	return 0
})

// TestClosedHere wants the child to lack what this process lacks.
func TestClosedHere(t *testing.T) {
	if got := output(t, helper(t, "without input")); got != "" {
		t.Error(got)
	}
}

// TestHint wants to know that what failed may be an attribute.
func TestHint(t *testing.T) {
	in := helper(t, "exit", "0")
	in.Attr = attr.List{attr.Setpgid{Pgid: 1<<31 - 1}}
	_, err := start(t.Context(), in)
	(&fault{part: plan.PartStart, step: plan.StepExecve, index: -1, err: fs.ErrPermission}).check(t, err)
	var e *plan.Error
	if errors.As(err, &e) && e.Hint == "" {
		t.Error("no hint")
	}
}

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
