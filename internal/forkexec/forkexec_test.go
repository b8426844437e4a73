package forkexec_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
)

func TestPortable(t *testing.T) { portable.Cases(t, runPortable) }

// TestUnsupported has what only the clone engine can do: an error of Compile that
// names it, and nothing has happened.
func TestUnsupported(t *testing.T) {
	if runtime.GOOS == "windows" {
		testenv.Skip(t, "steps and indexes are those of Unix")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	file := filepath.Join(portable.Dir(t), "new")
	open := func(a *actions) {
		a.Close(9)
		a.Open(1, file, os.O_WRONLY|os.O_CREATE, 0o600)
	}
	opening := func(name, step string, index int, more func(a *actions), list ...attr.Attr) fault {
		in := with(&forkexec.Input{Attr: list}, func(a *actions) { open(a); more(a) })
		return fault{name: name, in: *in, part: plan.PartAction, step: step, index: index}
	}
	attribute := func(name, step string, index int, list ...attr.Attr) fault {
		f := opening(name, step, index, func(*actions) {}, list...)
		f.part = plan.PartAttr
		return f
	}
	nothing := func(*actions) {}
	cases := []fault{
		attribute("Umask", "attr", 0, attr.Umask(0o77)),
		attribute("Nice", "attr", 1, attr.InheritIgnored{}, attr.Nice(19)),
		attribute("Rlimit", "attr", 0, attr.Rlimit{}),
		attribute("NoFile", "attr", 0, attr.NoFile{Soft: 10, Hard: 10}),
		attribute("SigMask", "attr", 0, attr.SigMask{}),
		attribute("SigIgnore", "attr", 0, attr.SigIgnore{2}),
		attribute("SigDefault", "attr", 0, attr.SigDefault{2}),
		attribute("NoNewPrivs", "attr", 0, attr.NoNewPrivs{}),
		attribute("Namespaces", "attr", 0, attr.Namespaces{Flags: 0x4000000}),
		attribute("Unshare", "attr", 0, attr.Unshare{Flags: 0x4000000}),
		attribute("AmbientCaps", "attr", 0, attr.AmbientCaps{1}),
		attribute("ParentDeathSignal", "attr", 0, attr.ParentDeathSignal(9)),
		attribute("Ptrace", "attr", 0, attr.Ptrace{}),
		attribute("StartSuspended", "attr", 0, attr.StartSuspended{}),
		attribute("CoredumpFilter", "attr", 0, attr.CoredumpFilter(0)),
		attribute("MemoryDenyWriteExec", "attr", 0, attr.MemoryDenyWriteExec{}),
		attribute("NoHugePages", "attr", 0, attr.NoHugePages{}),
		attribute("MergePages", "attr", 0, attr.MergePages{}),
		attribute("DetachTTY", "attr", 0, attr.DetachTTY{}),
		attribute("ControllingTTY by number", "attr", 1, attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(0)}),
		attribute("ControllingTTY of others", "attr", 1, attr.Setsid{}, attr.ControllingTTY{File: null, Steal: true}),
		attribute("Foreground", "attr", 1, attr.Setpgid{}, attr.Foreground{File: null}),
		{
			name: "terminal that the child hasn't got", part: plan.PartAttr, step: "ctty", index: 1,
			in: forkexec.Input{Attr: attr.List{attr.Setsid{}, attr.ControllingTTY{File: null}}},
		},
		opening("open in another root", "open", 1, nothing, attr.Chroot("/")),
		opening("open with other rights", "open", 1, nothing, attr.Credential{UID: 12345, GID: 12345}),
		opening("foreground without a group", "tcsetpgrp", 2, func(a *actions) { a.Tcsetpgrp(0) }),
		opening("foreground twice", "tcsetpgrp", 3, func(a *actions) { a.Tcsetpgrp(0); a.Tcsetpgrp(0) }, attr.Setpgid{}),
	}
	if runtime.GOOS != "linux" {
		cases = append(cases, opening("directory by number", "fchdir", 2, func(a *actions) { a.Fchdir(0) }),
			attribute("Cgroup", "attr", 0, attr.Cgroup{Dir: null}))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.in.Path, c.err = testenv.Self(t), errors.ErrUnsupported
			_, err := forkexec.Compile(&c.in)
			c.check(t, err)
			if _, err := os.Stat(file); err == nil {
				t.Error("something has happened")
			}
		})
	}
}

// TestAttributesAreChecked wants the errors of attributes that make no sense.
func TestAttributesAreChecked(t *testing.T) {
	for _, c := range []fault{
		{name: "nil", in: forkexec.Input{Attr: attr.List{attr.Setsid{}, nil}}, step: "attr", index: 1},
		{name: "out of range", in: forkexec.Input{Attr: attr.List{attr.Setpgid{Pgid: -1}}}, step: "setpgid", index: 0},
	} {
		c.part, c.err = plan.PartAttr, syscall.EINVAL
		_, err := forkexec.Compile(&c.in)
		c.check(t, err)
	}
}

func TestMissing(t *testing.T) {
	dir := portable.Dir(t)
	missing := filepath.Join(dir, "missing")
	exit := helper(t, "exit", "0")
	program := *exit
	program.Path = missing
	action := func(name, step string, index int, err error, change func(a *actions)) fault {
		return fault{name: name, in: *with(exit, change), part: plan.PartAction, step: step, index: index, err: err}
	}
	for _, c := range []fault{
		{name: "program", in: program, part: plan.PartStart, step: "execve", index: -1, err: fs.ErrNotExist},
		action("file", "open", 1, fs.ErrNotExist, func(a *actions) { a.Close(9); a.Open(0, missing, os.O_RDONLY, 0) }),
		action("file that must not exist", "open", 0, fs.ErrExist, func(a *actions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		}),
		action("directory", "chdir", 2, fs.ErrNotExist, func(a *actions) { a.Chdir(dir); a.Chdir("sub"); a.Chdir("sub") }),
		action("directory that is a file", "chdir", 0, syscall.ENOTDIR, func(a *actions) { a.Chdir(filepath.Join(dir, "old")) }),
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := start(t.Context(), &c.in)
			c.check(t, err)
		})
	}
}

// TestCompiled starts one Program many times at once, and changes its Input.
func TestCompiled(t *testing.T) {
	in := helper(t, "exit", "5")
	in.Attr = attr.List{attr.Setpgid{}}
	if runtime.GOOS == "windows" {
		in.Attr = nil
	}
	p, err := forkexec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Argv[1], in.Path = "6", "/nonexistent"
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			c, err := p.Start(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			if status, _, err := c.Wait(); err != nil || status.ExitStatus() != 5 || c.PID() <= 0 {
				t.Errorf("%v, %v", status, err)
			}
		})
	}
	wg.Wait()
}

// TestEnvironment wants an environment of nil to be none.
func TestEnvironment(t *testing.T) {
	if runtime.GOOS == "windows" {
		testenv.Skip(t, "a program needs some variables")
	}
	in := helper(t, "environment")
	in.Env = nil
	if got := output(t, in); got != "" {
		t.Errorf("environment %q", got)
	}
}

func TestClosedFile(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	in := with(helper(t, "exit", "0"), func(a *actions) { a.File(f, 1) })
	p, err := forkexec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	w := fault{part: plan.PartAction, step: "file", index: 0, err: os.ErrClosed}
	_, err = p.Start(t.Context())
	w.check(t, err)
	_, err = forkexec.Compile(in)
	w.check(t, err)
}

func TestSteps(t *testing.T) {
	if runtime.GOOS == "windows" {
		testenv.Skip(t, "descriptors above 2")
	}
	in := with(&forkexec.Input{Path: "/bin/program", Attr: attr.List{attr.Setpgid{}}}, func(a *actions) {
		a.Open(1, "/out", os.O_WRONLY, 0o600)
		a.Dup2(1, 2)
		a.Chdir("/srv")
		a.Open(3, "in", os.O_RDONLY, 0)
		a.Close(4)
	})
	p, err := forkexec.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps() {
		got = append(got, stepText(s))
		if s.Number != -1 {
			t.Errorf("number of %v", s)
		}
	}
	want := []string{
		`open: open("/out", 01, 0600) // in the parent, gives f0`,
		`chdir: stat("/srv") // in the parent`,
		`open: open("/srv/in", 0, 0) // in the parent, gives f2`,
		`file_table: dup(0) // in the parent, gives f3`,
		`clone: fork() // in the parent, makes the child`,
		`setpgid: setpgid(0, 0)`,
		`chdir: chdir("/srv")`,
		`file_table: dup2(f3, 0)`,
		`open: dup2(f0, 1)`,
		`dup2: dup2(f0, 2)`,
		`open: dup2(f2, 3)`,
		`close: close(4)`,
		`execve: execve("/bin/program", ptr, ptr)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func stepText(s plan.Step) string {
	var args []string
	for _, a := range s.Args {
		args = append(args, a.Text)
	}
	text := s.Name + ": " + s.Syscall + "(" + strings.Join(args, ", ") + ")"
	if s.Note != "" {
		text += " // " + s.Note
	}
	return text
}
