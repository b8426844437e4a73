//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/plan"
)

// engine is a Program for os.StartProcess.
//
// The file actions are the parent's work: at each start it opens and duplicates,
// in order, what the child is to have, and hands that over as a table. What only
// the child itself can do is an error of Compile. Two promises of the clone engine
// are weaker here:
//
//   - Signals that this process ignores stay ignored in the child.
//   - A descriptor above those that are named is closed only where open ones can
//     be listed at little cost, which is on Linux and Darwin; elsewhere the child
//     has it unless it is close-on-exec.
type engine struct {
	argv, env []string
	actions   []plan.Action
	attr      plan.ForkExec
	files     filePlan
	tty       int // number in the child of its controlling terminal, or -1
}

func (e *engine) compile(s *Spec, argv, env []string, _ bool) error {
	var claims plan.Claims
	if err := attrlist.Check(s.Attr, &claims); err != nil {
		return err
	}
	if err := attrlist.Fallback(s.Attr, &e.attr); err != nil {
		return err
	}
	if err := checkAttributes(s.Attr); err != nil {
		return err
	}
	if c := e.attr.Credential; c != nil {
		c.Groups = slices.Clone(c.Groups)
	}
	// Not nil: that would be this process's environment at the time of the start.
	e.argv, e.env = slices.Clone(argv), append([]string{}, env...)
	e.actions = slices.Clone(s.Actions.list)
	files, err := planFiles(e.actions, e.attr.Chroot != "")
	if err != nil {
		return err
	}
	e.files = files
	if err := e.checkActions(); err != nil {
		return err
	}
	return e.findTerminal(s.Attr)
}

// release has nothing to give back here.
func (e *engine) release() {}

// findTerminal finds the number at which the child has its terminal.
func (e *engine) findTerminal(list attr.List) error {
	e.tty = -1
	if e.attr.TTY == nil {
		return nil
	}
	index := slices.IndexFunc(list, func(a attr.Attr) bool { _, ok := a.(attr.ControllingTTY); return ok })
	problem := func(err error) error {
		return plan.AttrError("ctty", index, e.attr.TTY.Name(), err)
	}
	fd, err := numberOf(e.attr.TTY)
	if err != nil {
		return problem(err)
	}
	for n, entry := range e.files.table {
		if entry.need == shut {
			continue
		}
		switch need := &e.files.needs[entry.need]; need.kind {
		case needNumber, needFile:
			if need.fd == fd {
				e.tty = n
				return nil
			}
		}
	}
	return problem(plan.Unsupported("attr.ControllingTTY with a file that no descriptor of the child is"))
}

// start makes a child. Neither opening a file nor os.StartProcess can be
// interrupted, so when ctx ends they are left to themselves: the files are closed,
// and the child, if it still comes to that, is killed and reaped.
func (p *Program) start(ctx context.Context) (*Process, error) {
	if ctx.Done() == nil {
		return p.launch(ctx)
	}
	type result struct {
		proc *Process
		err  error
	}
	started := make(chan result)
	go func() {
		proc, err := p.launch(ctx)
		select {
		case started <- result{proc, err}:
		case <-ctx.Done():
			if proc != nil {
				_ = proc.Kill() // fails when it has ended by itself
				<-proc.Done()
			}
		}
	}()
	select {
	case r := <-started:
		return r.proc, r.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// launch gets hold of the files and starts the program.
func (p *Program) launch(ctx context.Context) (*Process, error) {
	held, err := p.hold()
	defer held.close()
	if err != nil {
		return nil, wrap(p.path, err)
	}
	how, err := p.procAttr(&held)
	if err != nil {
		return nil, wrap(p.path, err)
	}
	if p.attr.Credential != nil {
		hold, err := dumpable.Begin(ctx, dumpable.Use{Changes: true})
		if err != nil {
			return nil, ofStart(p.path, err)
		}
		defer hold.End()
	}
	proc, err := p.startProcess(ctx, how)
	if err != nil {
		return nil, err
	}
	return newProcess(proc.Pid, child{proc}), nil
}

// busyRetries bounds how often a program is tried that is open for writing,
// usually by another child that is about to exec: about 0.15 s.
const (
	busyRetries = 15
	busyPause   = 10 * time.Millisecond
)

func (p *Program) startProcess(ctx context.Context, how *os.ProcAttr) (*os.Process, error) {
	for try := 0; ; try++ {
		// Descriptors are taken by number, and once ctx has ended Start may have
		// returned and the caller closed them.
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		proc, err := os.StartProcess(p.path, p.argv, how)
		if err == nil {
			return proc, nil
		}
		if try == busyRetries || !busy(err) {
			return nil, p.execError(err)
		}
		time.Sleep(busyPause)
	}
}

// execError is the error of os.StartProcess, which does not tell what failed.
func (p *Program) execError(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		err = pe.Err
	}
	e := &Error{Path: p.path, Part: PartStart, Step: "execve", Index: -1, Object: p.path, Err: err}
	switch err {
	case syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE:
		e.Step, e.Object = "clone", ""
		return e
	}
	// Without another root what attributes do can't find anything missing.
	if p.attr != (plan.ForkExec{}) && (err != syscall.ENOENT || p.attr.Chroot != "") {
		e.Hint = "or of what an attribute asks for: package os does not tell"
	}
	return e
}
