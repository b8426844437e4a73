package forkexec

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/plan"
)

// Start makes a child, see StartFrom.
func (p *Program) Start(ctx context.Context) (Child, error) { return p.StartFrom(ctx, nil) }

// StartFrom makes a child. What the attributes don't say base does; nil is none. Neither opening a file nor os.StartProcess can be
// interrupted, so when ctx ends they are left to themselves: the files are closed,
// and the child, if it still comes to that, is killed and reaped. Errors are of the
// type *plan.Error, or that of ctx.
func (p *Program) StartFrom(ctx context.Context, base *syscall.SysProcAttr) (Child, error) {
	if ctx.Done() == nil {
		return p.launch(ctx, base)
	}
	type result struct {
		child Child
		err   error
	}
	started := make(chan result)
	go func() {
		child, err := p.launch(ctx, base)
		select {
		case started <- result{child, err}:
		case <-ctx.Done():
			if err == nil {
				child.discard()
			}
		}
	}()
	select {
	case r := <-started:
		return r.child, r.err
	case <-ctx.Done():
		return Child{}, ctx.Err()
	}
}

// launch gets hold of the files and starts the program.
func (p *Program) launch(ctx context.Context, base *syscall.SysProcAttr) (Child, error) {
	held, err := p.hold()
	defer held.close()
	if err != nil {
		return Child{}, err
	}
	how, err := p.procAttr(&held, base)
	if err != nil {
		return Child{}, err
	}
	if p.attr.Credential != nil {
		hold, err := dumpable.Begin(ctx, dumpable.Use{Changes: true})
		if err != nil {
			return Child{}, err
		}
		defer hold.End()
	}
	return p.startProcess(ctx, how, base)
}

// busyRetries bounds how often a program is tried that is open for writing,
// usually by another child that is about to exec: about 0.15 s.
const (
	busyRetries = 15
	busyPause   = 10 * time.Millisecond
)

func (p *Program) startProcess(ctx context.Context, how *os.ProcAttr, base *syscall.SysProcAttr) (Child, error) {
	for try := 0; ; try++ {
		proc, err := p.fork(ctx, how)
		if err == nil {
			c := Child{proc, p.attr.Leads()}
			if err := p.begin(c, base); err != nil {
				return Child{}, err
			}
			return c, nil
		}
		if err == ctx.Err() {
			return Child{}, err
		}
		if try == busyRetries || !busy(err) {
			return Child{}, p.execError(err)
		}
		time.Sleep(busyPause)
	}
}

func (p *Program) fork(ctx context.Context, how *os.ProcAttr) (*os.Process, error) {
	if p.starting != nil {
		defer p.starting()()
	}
	// Descriptors are taken by number, and once ctx has ended Start may have returned and
	// the caller closed them.
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return p.execute(how)
}

// execute is os.StartProcess of the program, or of the shell for it.
func (p *Program) execute(how *os.ProcAttr) (*os.Process, error) {
	proc, err := os.StartProcess(p.path, p.argv, how)
	if !p.shell || !errors.Is(err, syscall.ENOEXEC) {
		return proc, err
	}
	return os.StartProcess(plan.Shell, plan.ShellArgv(p.path, p.argv), how)
}

// execError is the error of os.StartProcess, which does not tell what failed.
func (p *Program) execError(err error) error {
	err = plan.Bare(err)
	e := &plan.Error{Part: plan.PartStart, Step: plan.StepExecve, Index: -1, Object: p.path, Err: err}
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE:
		e.Step, e.Object = plan.StepClone, ""
		return e
	}
	if err == syscall.ENOENT && filepath.Base(p.path) == p.path {
		e.Hint = plan.NotAPath
		return e
	}
	// Without another root what attributes do can't find anything missing.
	if p.attr != (plan.ForkExec{}) && (err != syscall.ENOENT || p.attr.Chroot != "") {
		e.Hint = "or of what an attribute asks for: package os does not tell"
	}
	return e
}
