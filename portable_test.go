package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/portable"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// What is in this file holds for all engines on all platforms.

// runPortable runs what the tests of package portable want.
func runPortable(t testing.TB, c *portable.Spec) (code int, err error) {
	s := spawn.Spec{Path: c.Path, Args: c.Args, Env: c.Env}
	c.Actions(&s.Actions)
	state, err := spawn.Run(context.Background(), &s)
	if err != nil {
		return 0, err
	}
	if !state.Exited() || state.Signaled() || state.Success() != (state.ExitCode() == 0) {
		t.Errorf("state %v", state)
	}
	return state.ExitCode(), nil
}

// eachPortably runs a test of package portable once for each way to make children.
func eachPortably(t *testing.T, test func(*testing.T, portable.Run)) {
	spawntest.EachEngine(t, func(t *testing.T) { test(t, runPortable) })
}

func TestPortable(t *testing.T) { eachPortably(t, portable.Cases) }

// TestPortableOptional has an optional attribute: only the engine can set it.
func TestPortableOptional(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "environment")
		s.Actions.Open(1, os.DevNull, os.O_WRONLY, 0)
		s.Attr = attr.List{attr.Optional(attr.Nice(19))}
		p := spawntest.Start(t, s)
		state, err := p.Wait(context.Background())
		if err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
		list, engine := p.Applied(), spawn.Features().Has(spawn.FeatureEngine)
		if len(list) != 1 || list[0].Index != 0 || list[0].Attr != attr.Attr(attr.Nice(19)) || list[0].Done != engine {
			t.Fatalf("%+v", list)
		}
		var e *spawn.Error
		if err := list[0].Err; !engine && (!errors.As(err, &e) || !errors.Is(err, errors.ErrUnsupported) || e.Part != spawn.PartAttr || e.Step != list[0].Step) {
			t.Errorf("%+v", list)
		}
		s.Attr = nil
		p = spawntest.Start(t, s)
		if list := p.Applied(); list != nil {
			t.Errorf("without one: %+v", list)
		}
		if _, err := p.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

func TestPortableEnvironment(t *testing.T) {
	t.Setenv("SPAWN_TEST_INHERITED", "a b")
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "environment")
		if got := strings.Split(spawntest.Output(t, s), "|"); !slices.Contains(got, "SPAWN_TEST_INHERITED=a b") {
			t.Errorf("nil: %q", got)
		}
		s.Env = []string{}
		if got := spawntest.Output(t, s); got != "" && runtime.GOOS != "windows" {
			t.Errorf("empty: %q", got)
		}
	})
}

func TestPortableDirectory(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := portable.Dir(t)
		s := spawntest.Helper(t, "directory")
		s.Actions.Chdir(filepath.Join(dir, "sub"))
		if got := spawntest.Output(t, s); got != filepath.Join(dir, "sub") {
			t.Errorf("directory %s", got)
		}
	})
}

// TestPortableProgram starts one Program many times at once.
func TestPortableProgram(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "exit", "5")
		p, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		// A Program is not changed by what happens to its Spec.
		s.Args[1], s.Path = "6", "/nonexistent"
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				if state, err := p.Run(t.Context()); err != nil || state.ExitCode() != 5 || state.Pid() <= 0 {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		wg.Wait()
		if steps := p.Steps(); len(steps) == 0 || steps[len(steps)-1].Syscall != "execve" {
			t.Errorf("steps: %v", steps)
		}
	})
}

// startError is an error that a Spec is expected to give.
type startError struct {
	name   string
	spec   spawn.Spec
	change func(a *spawn.FileActions)
	step   string
	index  int
	err    error
}

func (w *startError) check(t *testing.T, err error) {
	t.Helper()
	var e *spawn.Error
	if !errors.As(err, &e) || !errors.Is(err, w.err) {
		t.Fatalf("got %v, want %v", err, w.err)
	}
	if e.Part != w.part() || e.Step != w.step || e.Index != w.index || e.Path != w.spec.Path {
		t.Errorf("got %#v, want %v, step %s, index %d", e, w.part(), w.step, w.index)
	}
}

// part is what the index counts in.
func (w *startError) part() spawn.Part {
	switch {
	case w.step == "execve":
		return spawn.PartStart
	case w.index < 0:
		return spawn.PartSpec
	case w.step == "args":
		return spawn.PartArg
	case w.step == "env":
		return spawn.PartEnv
	case w.step == "attr":
		return spawn.PartAttr
	}
	return spawn.PartAction
}

func TestPortableBadInput(t *testing.T) {
	const path = "program"
	action := func(name, step string, change func(a *spawn.FileActions)) startError {
		return startError{name: name, spec: spawn.Spec{Path: path}, change: change, step: step, err: syscall.EINVAL}
	}
	cases := []startError{
		{name: "empty path", step: "path", index: -1, err: syscall.EINVAL},
		{name: "NUL in path", spec: spawn.Spec{Path: "a\x00b"}, step: "path", index: -1, err: syscall.EINVAL},
		{name: "no arguments", spec: spawn.Spec{Path: path, Args: []string{}}, step: "args", index: -1, err: syscall.EINVAL},
		{name: "NUL in argument", spec: spawn.Spec{Path: path, Args: []string{"a", "b\x00"}}, step: "args", index: 1, err: syscall.EINVAL},
		{name: "NUL in environment", spec: spawn.Spec{Path: path, Env: []string{"A=\x00"}}, step: "env", index: 0, err: syscall.EINVAL},
		{name: "nil attribute", spec: spawn.Spec{Path: path, Attr: attr.List{nil}}, step: "attr", index: 0, err: syscall.EINVAL},
		{name: "pointer to an attribute", spec: spawn.Spec{Path: path, Attr: attr.List{&attr.Setsid{}}}, step: "attr", index: 0, err: syscall.EINVAL},
		{name: "nil pointer as an attribute", spec: spawn.Spec{Path: path, Attr: attr.List{(*attr.Nice)(nil)}}, step: "attr", index: 0, err: syscall.EINVAL},
		action("negative open", "open", func(a *spawn.FileActions) { a.Open(-1, "x", 0, 0) }),
		action("empty open", "open", func(a *spawn.FileActions) { a.Open(1, "", 0, 0) }),
		action("NUL in open", "open", func(a *spawn.FileActions) { a.Open(1, "a\x00", 0, 0) }),
		action("negative openat", "openat", func(a *spawn.FileActions) { a.OpenAt(1, -1, "x", 0, 0) }),
		action("negative dup2", "dup2", func(a *spawn.FileActions) { a.Dup2(-1, 1) }),
		action("dup2 to negative", "dup2", func(a *spawn.FileActions) { a.Dup2(1, -1) }),
		action("nil file", "file", func(a *spawn.FileActions) { a.File(nil, 1) }),
		action("negative file", "file", func(a *spawn.FileActions) { a.File(os.Stdin, -1) }),
		action("negative close", "close", func(a *spawn.FileActions) { a.Close(-1) }),
		action("negative closefrom", "closefrom", func(a *spawn.FileActions) { a.CloseFrom(-1) }),
		action("negative inherit", "inherit", func(a *spawn.FileActions) { a.Inherit(-1) }),
		action("negative fchdir", "fchdir", func(a *spawn.FileActions) { a.Fchdir(-1) }),
		action("negative tcsetpgrp", "tcsetpgrp", func(a *spawn.FileActions) { a.Tcsetpgrp(-1) }),
		action("negative openat2", "openat2", func(a *spawn.FileActions) { a.OpenAt2(1, -1, "x", 0, 0, 0) }),
		action("empty mkdir", "mkdir", func(a *spawn.FileActions) { a.Mkdir("", 0) }),
		action("empty target", "symlink", func(a *spawn.FileActions) { a.Symlink("", "x") }),
		action("NUL in symlink", "symlink", func(a *spawn.FileActions) { a.Symlink("x", "\x00") }),
		action("empty chdir", "chdir", func(a *spawn.FileActions) { a.Chdir("") }),
		action("NUL in chdir", "chdir", func(a *spawn.FileActions) { a.Chdir("\x00") }),
	}
	if runtime.GOOS == "linux" {
		long := strings.Repeat("x", 32*os.Getpagesize())
		cases = append(cases,
			startError{name: "long argument", spec: spawn.Spec{Path: path, Args: []string{"a", "b", long}}, step: "args", index: 2, err: syscall.E2BIG},
			startError{name: "long variable", spec: spawn.Spec{Path: path, Env: []string{"A", long}}, step: "env", index: 1, err: syscall.E2BIG})
	}
	if math.MaxInt > math.MaxInt32 {
		beyond := math.MaxInt32
		beyond++
		cases = append(cases, action("too large", "close", func(a *spawn.FileActions) { a.Close(beyond) }))
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spawntest.EachEngine(t, func(t *testing.T) {
				s := c.spec
				if c.change != nil {
					c.change(&s.Actions)
				}
				_, err := spawn.Compile(&s)
				c.check(t, err)
				_, err = spawn.Start(t.Context(), &s)
				c.check(t, err)
			})
		})
	}
}

func TestPortableMissing(t *testing.T) {
	dir := portable.Dir(t)
	missing := filepath.Join(dir, "missing")
	cases := []startError{
		{name: "program", spec: spawn.Spec{Path: missing}, step: "execve", index: -1, err: fs.ErrNotExist},
		{
			name: "file", spec: *spawntest.Helper(t, "exit", "0"), step: "open", index: 1, err: fs.ErrNotExist,
			change: func(a *spawn.FileActions) { a.Close(9); a.Open(0, missing, os.O_RDONLY, 0) },
		},
		{
			name: "file that must not exist", spec: *spawntest.Helper(t, "exit", "0"), step: "open", index: 0, err: fs.ErrExist,
			change: func(a *spawn.FileActions) {
				a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			},
		},
		{
			name: "directory", spec: *spawntest.Helper(t, "exit", "0"), step: "chdir", index: 2, err: fs.ErrNotExist,
			change: func(a *spawn.FileActions) { a.Chdir(dir); a.Chdir("sub"); a.Chdir("sub") },
		},
		{
			name: "directory that is a file", spec: *spawntest.Helper(t, "exit", "0"), step: "chdir", index: 0, err: syscall.ENOTDIR,
			change: func(a *spawn.FileActions) { a.Chdir(filepath.Join(dir, "old")) },
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spawntest.EachEngine(t, func(t *testing.T) {
				s := c.spec
				s.Actions = spawn.FileActions{}
				if c.change != nil {
					c.change(&s.Actions)
				}
				_, err := spawn.Start(t.Context(), &s)
				c.check(t, err)
			})
		})
	}
}

func TestPortableClosedFile(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		f, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		s := spawntest.Helper(t, "exit", "0")
		s.Actions.File(f, 1)
		p, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		w := startError{spec: *s, step: "file", index: 0, err: os.ErrClosed}
		_, err = p.Start(t.Context())
		w.check(t, err)
		_, err = spawn.Compile(s)
		w.check(t, err)
	})
}

// TestLastOfEachVariable wants the last entry for each key to be the only one.
func TestLastOfEachVariable(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Helper(t, "environment")
		s.Env = []string{"A=1", "B=1", "HOME=/root", "A=2", "C=", "HOME=/home/x", "B=3", "C=4"}
		before := fmt.Sprint(s.Env)
		if got, want := spawntest.Output(t, s), "A=2|HOME=/home/x|B=3|C=4"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		for range 300 { // more than fit into a small set
			s.Env = append(s.Env, fmt.Sprintf("V%d=", len(s.Env)))
		}
		s.Env = append(s.Env, "V20=last")
		if got := spawntest.Output(t, s); len(got) < 300 || got[len(got)-8:] != "V20=last" {
			t.Errorf("%q", got)
		}
		if now := fmt.Sprint(s.Env[:8]); now != before {
			t.Errorf("the Spec has %s, had %s", now, before)
		}
		s.Env = append(s.Env, "A=a\x00b", "A=1")
		if _, err := spawn.Compile(s); err == nil {
			t.Error("no error for a NUL byte in what is overridden")
		}
	})
}
