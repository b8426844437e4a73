// Package portable has what holds for both ways to make children, on all systems:
// programs, file actions, and what comes of them. Packages spawn and forkexec are
// both tested by it.
package portable

import (
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/safespawn/spawn/internal/testenv"
)

// Actions is what *spawn.FileActions has.
type Actions interface {
	Open(fd int, path string, flag int, perm fs.FileMode)
	OpenAt(fd, dirfd int, path string, flag int, perm fs.FileMode)
	Dup2(from, to int)
	File(f *os.File, to int)
	Close(fd int)
	CloseFrom(fd int)
	Inherit(fd int)
	InheritAll()
	Chdir(path string)
	Fchdir(fd int)
	Tcsetpgrp(fd int)
}

// Spec is a program and what is done before it runs.
type Spec struct {
	Path      string
	Args, Env []string // may be nil, as in a spawn.Spec
	Actions   func(a Actions)
}

// Run runs a program that exits, and returns its status.
type Run func(t testing.TB, s *Spec) (code int, err error)

// What both packages use as programs.
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

// helper is a Spec for a helper.
func helper(t testing.TB, name string, args ...string) *Spec {
	t.Helper()
	return &Spec{Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...), Actions: func(Actions) {}}
}

// output runs a program with a pipe as its standard output, unless the actions put
// something else there.
func (run Run) output(t testing.TB, s *Spec) (out string, code int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(r) // what is missing is found missing
		read <- b
	}()
	with := *s
	with.Actions = func(a Actions) { a.File(w, 1); s.Actions(a) }
	code, err = run(t, &with)
	w.Close()
	out = string(<-read)
	if err != nil {
		t.Fatal(err)
	}
	return out, code
}

// want runs a program that is to succeed and write something.
func (run Run) want(t testing.TB, s *Spec, want string) {
	t.Helper()
	if out, code := run.output(t, s); out != want || code != 0 {
		t.Errorf("status %d, output %q; want %q", code, out, want)
	}
}

// aCase is a program and what comes of it.
type aCase struct {
	name    string
	program string
	args    []string
	env     []string
	actions func(t *testing.T, dir string, a Actions)
	out     string
	code    int
	files   map[string]string // contents afterwards, by name in the directory
}

var cases = []aCase{
	{name: "arguments", program: "args", args: []string{"a", "", "c d", "e\"f\\", "g|h"}, out: `a||c d|e"f\|g|h`, code: 5},
	{name: "status 0", program: "exit", args: []string{"0"}},
	{name: "status 1", program: "exit", args: []string{"1"}, code: 1},
	{name: "status 255", program: "exit", args: []string{"255"}, code: 255},
	{name: "environment", program: "environment", env: []string{"A=1", "B="}, out: "A=1|B="},
	{
		name: "open to read", program: "copy", out: "in\n",
		actions: func(t *testing.T, dir string, a Actions) {
			a.Open(0, filepath.Join(dir, "in"), os.O_RDONLY, 0)
		},
	},
	{
		name: "open to write", program: "talk", files: map[string]string{"old": "out\nrest"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY, 0)
			a.Open(2, os.DevNull, os.O_WRONLY, 0)
		},
	},
	{
		name: "open to append", program: "talk", files: map[string]string{"old": "contrest" + "out\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_APPEND, 0)
			a.Open(2, os.DevNull, os.O_WRONLY, 0)
		},
	},
	{
		name: "create and truncate", program: "talk", files: map[string]string{"old": "out\n", "new": "err\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Open(1, filepath.Join(dir, "old"), os.O_WRONLY|os.O_TRUNC, 0)
			a.Open(2, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		},
	},
	{
		name: "files are opened that are not kept", program: "exit", args: []string{"0"},
		files: map[string]string{"old": "", "new": ""},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Open(5, filepath.Join(dir, "old"), os.O_WRONLY|os.O_TRUNC, 0)
			a.Open(5, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
			a.Close(5)
		},
	},
	{
		name: "1 to 2", program: "talk", out: "out\nerr\n",
		actions: func(t *testing.T, dir string, a Actions) { a.Dup2(1, 2) },
	},
	{
		name: "1 to 2 before 1 changes", program: "talk", out: "err\n", files: map[string]string{"new": "out\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Dup2(1, 2)
			a.Open(1, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
		},
	},
	{
		name: "swap", program: "talk", files: map[string]string{"one": "err\n", "two": "out\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.File(create(t, dir, "one"), 1)
			a.File(create(t, dir, "two"), 2)
			a.Dup2(1, 7)
			a.Dup2(2, 1)
			a.Dup2(7, 2)
			a.Close(7)
		},
	},
	{
		name: "file given twice", program: "talk", files: map[string]string{"one": "out\nerr\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			f := create(t, dir, "one")
			a.File(f, 2)
			a.File(f, 1)
		},
	},
	{
		name: "closing what isn't open", program: "exit", args: []string{"0"},
		actions: func(t *testing.T, dir string, a Actions) { a.Close(9); a.Close(9) },
	},
	{
		name: "paths in the new directory", program: "talk",
		files: map[string]string{"sub/new": "out\n", "new": "err\n"},
		actions: func(t *testing.T, dir string, a Actions) {
			a.Chdir(dir)
			a.Chdir("sub")
			a.Open(1, "new", os.O_WRONLY|os.O_CREATE, 0o600)
			a.Chdir("..")
			a.Open(2, "new", os.O_WRONLY|os.O_CREATE, 0o600)
		},
	},
}

// create makes a file that is open during the test.
func create(t *testing.T, dir, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// Dir is a directory with the files that the cases start from.
func Dir(t *testing.T) string {
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

// Cases are programs with all kinds of file actions.
func Cases(t *testing.T, run Run) {
	for i := range cases {
		t.Run(cases[i].name, func(t *testing.T) { cases[i].run(t, run) })
	}
}

func (c *aCase) run(t *testing.T, run Run) {
	dir := Dir(t)
	s := helper(t, c.program, c.args...)
	s.Env = c.env
	if c.actions != nil {
		s.Actions = func(a Actions) { c.actions(t, dir, a) }
	}
	if out, code := run.output(t, s); out != c.out || code != c.code {
		t.Errorf("output %q, status %d; want %q, status %d", out, code, c.out, c.code)
	}
	for name, want := range c.files {
		wantFile(t, filepath.Join(dir, name), want)
	}
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("file %s: %q, %v; want %q", path, got, err, want)
	}
}
