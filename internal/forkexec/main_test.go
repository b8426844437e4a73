package forkexec_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/portable"
)

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }

// actions is file actions, recorded as package spawn does.
type actions []plan.Action

func (a *actions) add(x plan.Action) { *a = append(*a, x) }

func (a *actions) Open(fd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpen, FD: fd, From: plan.AtFdcwd, Path: path, Flag: flag, Perm: perm})
}

func (a *actions) OpenAt(fd, dirfd int, path string, flag int, perm fs.FileMode) {
	a.add(plan.Action{Kind: plan.ActOpenAt, FD: fd, From: dirfd, Path: path, Flag: flag, Perm: perm})
}

func (a *actions) Dup2(from, to int)       { a.add(plan.Action{Kind: plan.ActDup2, FD: to, From: from}) }
func (a *actions) File(f *os.File, to int) { a.add(plan.Action{Kind: plan.ActFile, FD: to, File: f}) }
func (a *actions) Close(fd int)            { a.add(plan.Action{Kind: plan.ActClose, FD: fd}) }
func (a *actions) CloseFrom(fd int)        { a.add(plan.Action{Kind: plan.ActCloseFrom, FD: fd}) }
func (a *actions) Inherit(fd int)          { a.add(plan.Action{Kind: plan.ActInherit, FD: fd}) }
func (a *actions) InheritAll()             { a.add(plan.Action{Kind: plan.ActInheritAll}) }
func (a *actions) Chdir(path string)       { a.add(plan.Action{Kind: plan.ActChdir, Path: path}) }
func (a *actions) Fchdir(fd int)           { a.add(plan.Action{Kind: plan.ActFchdir, FD: fd}) }
func (a *actions) Tcsetpgrp(fd int)        { a.add(plan.Action{Kind: plan.ActTcsetpgrp, FD: fd}) }

// helper is the Input of a helper that has this process's environment.
func helper(t testing.TB, name string, args ...string) *forkexec.Input {
	t.Helper()
	return &forkexec.Input{Path: testenv.Self(t), Argv: testenv.HelperArgs(name, args...), Env: os.Environ()}
}

// with is in with more actions.
func with(in *forkexec.Input, change func(a *actions)) *forkexec.Input {
	more := *in
	list := append(actions{}, in.Actions...)
	change(&list)
	more.Actions = list
	return &more
}

// start starts a child.
func start(ctx context.Context, in *forkexec.Input) (c forkexec.Child, err error) {
	p, err := forkexec.Compile(in)
	if err != nil {
		return c, err
	}
	return p.Start(ctx)
}

// run starts a child and waits for its end.
func run(in *forkexec.Input) (status syscall.WaitStatus, err error) {
	c, err := start(context.Background(), in)
	if err != nil {
		return status, err
	}
	status, usage, err := c.Wait()
	if err == nil && usage == nil {
		err = errors.New("no usage")
	}
	return status, err
}

// output is the standard output of a child that succeeds.
func output(t testing.TB, in *forkexec.Input) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	all := *in
	all.Actions = append([]plan.Action{{Kind: plan.ActFile, FD: 1, File: w}}, in.Actions...)
	status, err := run(&all)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil || status.ExitStatus() != 0 {
		t.Fatalf("status %v, %v; output %q", status, err, b)
	}
	return string(b)
}

// runPortable runs what the tests of package portable want.
func runPortable(_ testing.TB, s *portable.Spec) (code int, err error) {
	in := &forkexec.Input{Path: s.Path, Argv: s.Args, Env: s.Env}
	if s.Args == nil {
		in.Argv = []string{s.Path}
	}
	if s.Env == nil {
		in.Env = os.Environ()
	}
	status, err := run(with(in, func(a *actions) { s.Actions(a) }))
	return status.ExitStatus(), err
}

// fault is an error that an Input gives.
type fault struct {
	name  string
	in    forkexec.Input
	part  plan.Part
	step  string
	index int
	err   error
}

func (f *fault) check(t *testing.T, err error) {
	t.Helper()
	var e *plan.Error
	if !errors.As(err, &e) || !errors.Is(err, f.err) {
		t.Fatalf("got %v, want %v", err, f.err)
	}
	if e.Part != f.part || e.Step != f.step || e.Index != f.index {
		t.Errorf("got %#v, want part %v, step %s, index %d", e, f.part, f.step, f.index)
	}
}
