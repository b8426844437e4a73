package forkexec_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
)

func TestFchdir(t *testing.T) {
	dir := portable.Dir(t)
	in := with(helper(t, "directory"), func(a *actions) {
		a.Open(5, dir, os.O_RDONLY, 0)
		a.Fchdir(5)
		a.Close(5)
	})
	if got := output(t, in); got != dir {
		t.Errorf("directory %s", got)
	}
	in = with(in, func(a *actions) {
		a.Open(6, "old", os.O_RDONLY, 0)
		a.Chdir("sub")
	})
	if got := output(t, in); got != filepath.Join(dir, "sub") {
		t.Errorf("directory %s", got)
	}
	_, err := start(t.Context(), with(in, func(a *actions) { a.Fchdir(6) }))
	(&fault{part: plan.PartAction, step: "fchdir", index: 5, err: syscall.ENOTDIR}).check(t, err)
}

// TestCancel ends the context of Start while the parent is stuck in an open. There
// never is a child.
func TestCancel(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	in := with(helper(t, "exit", "0"), func(a *actions) { a.Open(0, fifo, os.O_RDONLY, 0) })
	children, goroutines := childFaults(t), runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := start(ctx, in); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	// This lets the open return, and the goroutine end. On a busy machine the context may have
	// ended before the open.
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	testenv.Eventually(t, "the end of a goroutine", func() bool { return runtime.NumGoroutine() <= goroutines })
	if childFaults(t) != children {
		t.Error("there was a child")
	}
}

// childFaults is the page faults of all children that were reaped: there is no
// process without any.
func childFaults(t *testing.T) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	return int64(u.Minflt)
}

// TestCancelStorm ends contexts at all moments of the start of a child that does not
// end by itself.
func TestCancelStorm(t *testing.T) {
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer hold.Close()
	p, err := forkexec.Compile(with(helper(t, "stay"), func(a *actions) { a.File(in, 0) }))
	if err != nil {
		t.Fatal(err)
	}
	for i := range testenv.Rounds(200, 5000) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%200)*10*time.Microsecond)
		c, err := p.Start(ctx)
		switch {
		case err == nil:
			if err := c.Signal(os.Kill); err != nil {
				t.Error(err)
			}
			if _, _, err := c.Wait(); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Error(err)
		}
		cancel()
	}
	// hold must stay open until nobody is left.
	testenv.Eventually(t, "the end of all children", func() bool { return !testenv.HasChild() })
}

func TestPidfd(t *testing.T) {
	c, release := staying(t)
	err := c.WithPidfd(func(fd uintptr) error { return unix.PidfdSendSignal(int(fd), 0, nil, 0) })
	none := errors.Is(err, os.ErrNoHandle)
	if err != nil && !none {
		t.Error(err)
	}
	if err := c.WithPidfd(func(uintptr) error { return io.EOF }); err != io.EOF && !none {
		t.Errorf("error of the function: %v", err)
	}
	release()
	if _, _, err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	if none {
		testenv.Skip(t, "no pidfd")
	}
}

// TestRelease lets go of a child that somebody else reaps.
func TestRelease(t *testing.T) {
	c, release := staying(t)
	pid := c.PID()
	c.Release()
	release()
	var status unix.WaitStatus
	if _, err := unix.Wait4(pid, &status, 0, nil); err != nil || status.ExitStatus() != 0 {
		t.Errorf("%v, %v", status, err)
	}
}

func TestCredential(t *testing.T) {
	testenv.NeedRoot(t)
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	in := &forkexec.Input{Path: "/bin/sh", Argv: []string{"sh", "-c", "cat /proc/self/status"}, Env: os.Environ()}
	in.Attr = attr.List{attr.Credential{UID: 12345, GID: 12346, Groups: []uint32{7}}}
	out := output(t, in)
	for _, want := range []string{
		"Uid:\t12345\t12345\t12345\t12345\n", "Gid:\t12346\t12346\t12346\t12346\n", "Groups:\t7 \n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if after, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); after != before {
		t.Errorf("dumpable %d, was %d", after, before)
	}
}

// TestOwnCredential opens files together with the ids that this process has.
func TestOwnCredential(t *testing.T) {
	in := with(helper(t, "exit", "0"), func(a *actions) { a.Open(0, os.DevNull, os.O_RDONLY, 0) })
	in.Attr = attr.List{attr.Credential{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), KeepGroups: true, Root: true}}
	output(t, in)
	in.Attr = attr.List{attr.ResetIDs{}}
	output(t, in)
}

func TestWithoutPrivilege(t *testing.T) {
	testenv.NeedUser(t)
	in := helper(t, "exit", "0")
	in.Attr = attr.List{attr.Credential{Root: true}}
	_, err := start(t.Context(), in)
	(&fault{part: plan.PartStart, step: "execve", index: -1, err: fs.ErrPermission}).check(t, err)
}

func TestChroot(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedCall(t, "chroot", unix.SYS_CHROOT)
	in := &forkexec.Input{Path: "/bin/pwd", Argv: []string{"pwd"}, Attr: attr.List{attr.Chroot("/")}}
	if got := output(t, in); got != "/\n" {
		t.Errorf("directory %q", got)
	}
	in = with(in, func(a *actions) { a.Chdir("usr") })
	if got := output(t, in); got != "/usr\n" {
		t.Errorf("directory %q", got)
	}
}

// "own terminal" makes a child that takes the terminal 0 from it.
var _ = testenv.RegisterHelper("own terminal", func([]string) int {
	in := &forkexec.Input{
		Path: "/bin/sh", Argv: []string{"sh", "-c", "cat /proc/self/stat"}, Env: os.Environ(), Attr: attr.List{attr.Setpgid{}},
	}
	if status, err := run(with(in, func(a *actions) { a.Tcsetpgrp(0) })); err != nil || status.ExitStatus() != 0 {
		return 1
	}
	return 0
})

func TestTerminal(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	in := with(helper(t, "own terminal"), func(a *actions) { a.File(tty, 0) })
	in.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	stat := strings.Fields(output(t, in))
	// pid (comm) state ppid pgrp session tty_nr tpgid; cat is in the shell's group.
	if len(stat) < 8 || stat[6] == "0" || stat[7] != stat[4] || stat[5] == stat[4] {
		t.Errorf("stat %q", stat)
	}
}

// TestTerminalSteps shows which descriptor of the child is the terminal: the lowest.
func TestTerminalSteps(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	in := with(&forkexec.Input{Path: "/bin/program"}, func(a *actions) {
		for n := range 5 {
			a.File(tty, n)
		}
	})
	in.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	p, err := forkexec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Steps()
	if got := stepText(steps[len(steps)-2]); got != "ctty: ioctl(0, TIOCSCTTY)" {
		t.Error(got)
	}
}

// TestStepsOfAll has the steps of all attributes and of actions with directories.
func TestStepsOfAll(t *testing.T) {
	for _, c := range []struct {
		list   attr.List
		change func(a *actions)
		want   []string
	}{
		{
			attr.List{attr.Setpgid{}, attr.Chroot("/srv"), attr.Credential{UID: 1, GID: 2, Groups: []uint32{7}}},
			func(a *actions) { a.Tcsetpgrp(0); a.Chdir("sub") },
			[]string{
				"tcsetpgrp: dup(0) // in the parent, gives f0",
				"file_table: dup(0) // in the parent, gives f1",
				"file_table: dup(1) // in the parent, gives f2",
				"file_table: dup(2) // in the parent, gives f3",
				"clone: fork() // in the parent, makes the child",
				"setpgid: setpgid(0, 0)",
				"tcsetpgrp: ioctl(f0, TIOCSPGRP, ptr)",
				`chroot: chroot("/srv")`,
				"setgroups: setgroups(1, [7])",
				"setresgid: setgid(2)",
				"setresuid: setuid(1)",
				`chdir: chdir("//sub")`,
				"file_table: dup2(f1, 0)",
				"file_table: dup2(f2, 1)",
				"file_table: dup2(f3, 2)",
				`execve: execve("/x", ptr, ptr)`,
			},
		},
		{
			attr.List{attr.Setsid{}},
			func(a *actions) {
				a.Open(5, "/srv", os.O_RDONLY, 0)
				a.OpenAt(0, 5, "in", os.O_RDONLY, 0)
				a.Fchdir(5)
				a.CloseFrom(1)
			},
			[]string{
				`open: open("/srv", 0, 0) // in the parent, gives f0`,
				`openat: openat(f0, "in", 0, 0) // in the parent, gives f1`,
				"fchdir: stat(f0) // in the parent",
				"clone: fork() // in the parent, makes the child",
				"setsid: setsid()",
				"fchdir: chdir(f0)",
				"openat: dup2(f1, 0)",
				`execve: execve("/x", ptr, ptr)`,
			},
		},
	} {
		in := with(&forkexec.Input{Path: "/x", Attr: c.list}, c.change)
		p, err := forkexec.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, s := range p.Steps() {
			got = append(got, stepText(s))
			if (s.Part == plan.PartStart) != (s.Index < 0) {
				t.Errorf("%s: part %v, index %d", got[len(got)-1], s.Part, s.Index)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
		}
	}
}

// TestNearLimit wants room for what package syscall puts above the child's numbers.
func TestNearLimit(t *testing.T) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur > 1<<30 {
		testenv.Skip(t, "no limit of open files")
	}
	_, err := forkexec.Compile(with(&forkexec.Input{Path: "/x"}, func(a *actions) { a.Dup2(1, int(l.Cur)-1) }))
	(&fault{part: plan.PartAction, step: plan.StepDup2, index: 0, err: errors.ErrUnsupported}).check(t, err)
}

// "few numbers" starts a child when few descriptors are to be had, and prints which
// step failed.
var _ = testenv.RegisterHelper("few numbers", func(args []string) int {
	free, err := strconv.Atoi(args[0])
	var old unix.Rlimit
	if err = errors.Join(err, unix.Getrlimit(unix.RLIMIT_NOFILE, &old)); err != nil {
		return 1
	}
	few := old
	for few.Cur = 3; free > 0; few.Cur++ {
		if _, err := unix.FcntlInt(uintptr(few.Cur), unix.F_GETFD, 0); err == unix.EBADF {
			free--
		}
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
		return 1
	}
	_, err = start(context.Background(), &forkexec.Input{Path: "/bin/true", Argv: []string{"true"}})
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		return 1
	}
	var e *plan.Error
	if !errors.As(err, &e) || e.Part != plan.PartStart || e.Index != -1 || !errors.Is(err, syscall.EMFILE) {
		fmt.Println(err)
		return 2
	}
	os.Stdout.WriteString(e.Step)
	return 0
})

// TestFewNumbers wants an error where a standard stream can't be duplicated, and where
// os.StartProcess has no number for its pipe.
func TestFewNumbers(t *testing.T) {
	for free, want := range map[string]string{"1": plan.StepFileTable, "4": plan.StepClone} {
		if got := output(t, helper(t, "few numbers", free)); got != want {
			t.Errorf("%s numbers: %s", free, got)
		}
	}
}

// TestLeaksNothing has starts that fail at each point.
func TestLeaksNothing(t *testing.T) {
	before := testenv.Settled()
	exit := with(helper(t, "exit", "0"), func(a *actions) { a.Open(4, os.DevNull, os.O_RDONLY, 0) })
	missing := *exit
	missing.Path = "/nonexistent"
	for range 50 {
		for _, in := range []*forkexec.Input{
			&missing,
			with(exit, func(a *actions) { a.Chdir("/nonexistent") }),
			with(exit, func(a *actions) { a.Open(3, "/nonexistent", os.O_RDONLY, 0) }),
			with(exit, func(a *actions) { a.Inherit(99) }),
		} {
			if _, err := start(t.Context(), in); err == nil {
				t.Fatal("no error")
			}
		}
	}
	testenv.CheckFDs(t, before)
}
