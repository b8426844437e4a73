package spawn_test

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// What is in this file holds for all engines on all platforms.

var (
	_ = testenv.RegisterHelper("args", func(args []string) int {
		os.Stdout.WriteString(strings.Join(args, "|"))
		return len(args)
	})
	_ = testenv.RegisterHelper("environment", func([]string) int {
		os.Stdout.WriteString(strings.Join(os.Environ(), "|"))
		return 0
	})
	_ = testenv.RegisterHelper("copy", func([]string) int {
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			return 1
		}
		return 0
	})
	_ = testenv.RegisterHelper("talk", func([]string) int {
		os.Stdout.WriteString("out\n")
		os.Stderr.WriteString("err\n")
		return 0
	})
	_ = testenv.RegisterHelper("directory", func([]string) int {
		dir, err := os.Getwd()
		if err != nil {
			return 1
		}
		os.Stdout.WriteString(dir)
		return 0
	})
	_ = testenv.RegisterHelper("exit", func(args []string) int {
		code, err := strconv.Atoi(args[0])
		if err != nil {
			return 125
		}
		return code
	})
)

// portableCase is a program and what comes of it. The child's standard output is
// captured unless the actions put something else there.
type portableCase struct {
	name    string
	program string
	args    []string
	env     []string
	actions func(t *testing.T, dir string, a *spawn.FileActions)
	out     string
	code    int
	files   map[string]string // contents afterwards, by name in dir
}

var portableCases = []portableCase{
	{name: "arguments", program: "args", args: []string{"a", "", "c d", "e\"f\\", "g|h"}, out: `a||c d|e"f\|g|h`, code: 5},
	{name: "status 0", program: "exit", args: []string{"0"}},
	{name: "status 1", program: "exit", args: []string{"1"}, code: 1},
	{name: "status 255", program: "exit", args: []string{"255"}, code: 255},
	{name: "environment", program: "environment", env: []string{"A=1", "B="}, out: "A=1|B="},
	{
		name: "open to read", program: "copy", out: "in\n",
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Open(0, filepath.Join(dir, "in"), os.O_RDONLY, 0)
		},
	},
	{
		name: "open to write", program: "talk", files: map[string]string{"old": "out\nrest"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY, 0)
			a.Open(2, os.DevNull, os.O_WRONLY, 0)
		},
	},
	{
		name: "open to append", program: "talk", files: map[string]string{"old": "contrest" + "out\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_APPEND, 0)
			a.Open(2, os.DevNull, os.O_WRONLY, 0)
		},
	},
	{
		name: "create and truncate", program: "talk", files: map[string]string{"old": "out\n", "new": "err\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_TRUNC, 0)
			a.Open(2, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		},
	},
	{
		name: "files are opened that are not kept", program: "exit", args: []string{"0"},
		files: map[string]string{"old": "", "new": ""},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Open(5, filepath.Join(dir, "old"), os.O_WRONLY|os.O_TRUNC, 0)
			a.Open(5, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
			a.Close(5)
		},
	},
	{
		name: "1 to 2", program: "talk", out: "out\nerr\n",
		actions: func(t *testing.T, dir string, a *spawn.FileActions) { a.Dup2(1, 2) },
	},
	{
		name: "1 to 2 before 1 changes", program: "talk", out: "err\n", files: map[string]string{"new": "out\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Dup2(1, 2)
			a.Open(1, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
		},
	},
	{
		name: "swap", program: "talk", files: map[string]string{"one": "err\n", "two": "out\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.File(createFile(t, dir, "one"), 1)
			a.File(createFile(t, dir, "two"), 2)
			a.Dup2(1, 7)
			a.Dup2(2, 1)
			a.Dup2(7, 2)
			a.Close(7)
		},
	},
	{
		name: "file given twice", program: "talk", files: map[string]string{"one": "out\nerr\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			f := createFile(t, dir, "one")
			a.File(f, 2)
			a.File(f, 1)
		},
	},
	{
		name: "closing what isn't open", program: "exit", args: []string{"0"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) { a.Close(9); a.Close(9) },
	},
	{
		name: "paths in the new directory", program: "talk",
		files: map[string]string{"sub/new": "out\n", "new": "err\n"},
		actions: func(t *testing.T, dir string, a *spawn.FileActions) {
			a.Chdir(dir)
			a.Chdir("sub")
			a.Open(1, "new", os.O_WRONLY|os.O_CREATE, 0o600)
			a.Chdir("..")
			a.Open(2, "new", os.O_WRONLY|os.O_CREATE, 0o600)
		},
	},
}

// createFile makes a file that is open during the test.
func createFile(t *testing.T, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// portableDir has the files that portableCases start from.
func portableDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"in": "in\n", "old": "contrest"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func (c *portableCase) run(t *testing.T) {
	dir := portableDir(t)
	s := spawntest.Helper(t, c.program, c.args...)
	s.Env = c.env
	if c.actions != nil {
		c.actions(t, dir, &s.Actions)
	}
	out, state, err := spawntest.TryOutput(s)
	if err != nil {
		t.Fatal(err)
	}
	if out != c.out || state.ExitCode() != c.code || !state.Exited() || state.Signaled() || state.Success() != (c.code == 0) {
		t.Errorf("output %q, %v; want %q, status %d", out, state, c.out, c.code)
	}
	for name, want := range c.files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != want {
			t.Errorf("file %s: %q, %v; want %q", name, got, err, want)
		}
	}
}

func TestPortable(t *testing.T) {
	for i := range portableCases {
		c := &portableCases[i]
		t.Run(c.name, func(t *testing.T) { spawntest.EachEngine(t, c.run) })
	}
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
		dir := portableDir(t)
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
	dir := portableDir(t)
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
		f := createFile(t, t.TempDir(), "file")
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
