// Package forkexec makes children by os.StartProcess, for systems without the clone
// engine. It is compiled and tested on all of them; the tag spawn_forkexec decides
// only whether package spawn uses it where there is the engine.
//
// The file actions are the parent's work: at each start it opens and duplicates,
// in order, the files of the child, and hands them over as a table. What only
// the child itself can do is an error of Compile. Two promises of the clone engine
// are weaker here:
//
//   - Signals that this process ignores stay ignored in the child.
//   - A descriptor above those that are named is closed only where open ones can
//     be listed at little cost, which is on Linux and Darwin; elsewhere the child
//     has it unless it is close-on-exec.
package forkexec

import (
	"os"
	"slices"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
)

// Input is what to run and how. Path, Argv, Env and Actions were checked before.
type Input struct {
	Path      string
	File      *os.File
	Shell     bool // what the kernel can't execute is for /bin/sh
	Argv, Env []string

	PIDVariable string
	Actions     []plan.Action
	Attr        attr.List

	// Starting is called before os.StartProcess, which keeps a processor of the Go
	// scheduler until execve, and what it returns afterwards. It may be nil.
	Starting func() (started func())
}

// Program is an Input for os.StartProcess.
type Program struct {
	path      string
	argv, env []string
	shell     bool
	actions   []plan.Action
	list      attr.List // to find indices
	starting  func() (started func())
	attr      plan.ForkExec
	files     filePlan
	tty       int // number in the child of its controlling terminal, or -1
	lacking   []*plan.Error
}

// Compile makes a Program, which keeps nothing of in but its open files. Errors are
// of the type *plan.Error, and match errors.ErrUnsupported where the clone engine
// could do it.
func Compile(in *Input) (*Program, error) {
	var claims plan.Claims
	if err := attrlist.Check(in.Attr, &claims); err != nil {
		return nil, err
	}
	if in.File != nil {
		return nil, plan.SpecError(plan.StepPath, in.Path, unsupported("Spec.File"))
	}
	if in.PIDVariable != "" {
		return nil, plan.SpecError(plan.StepEnv, in.PIDVariable, unsupported("Spec.PIDVariable"))
	}
	// An env of nil would be this process's environment at the time of the start.
	p := &Program{
		path: in.Path, shell: in.Shell, argv: slices.Clone(in.Argv), env: append([]string{}, in.Env...),
		actions: slices.Clone(in.Actions), list: slices.Clone(in.Attr), tty: -1, starting: in.Starting,
	}
	if err := p.setAttributes(); err != nil {
		return nil, err
	}
	var err error
	if p.files, err = planFiles(p.actions, p.attr.Chroot != ""); err != nil {
		return nil, err
	}
	if err := p.checkActions(); err != nil {
		return nil, err
	}
	if err := p.findTerminal(); err != nil {
		return nil, err
	}
	return p, nil
}

// Lacking says why optional attributes are not set.
func (p *Program) Lacking() []*plan.Error { return p.lacking }

func (p *Program) setAttributes() error {
	var err error
	if p.lacking, err = attrlist.Fallback(p.list, &p.attr); err != nil {
		return err
	}
	if c := p.attr.Credential; c != nil {
		c.Groups = slices.Clone(c.Groups)
	}
	return checkAttributes(p.list)
}

// findTerminal finds the number at which the child has its terminal.
func (p *Program) findTerminal() error {
	if p.attr.TTY == nil {
		return nil
	}
	problem := func(err error) error {
		return plan.AttrError(plan.StepCtty, indexOf[attr.ControllingTTY](p.list), p.attr.TTY.Name(), err)
	}
	fd, err := highfd.Number(p.attr.TTY)
	if err != nil {
		return problem(err)
	}
	if p.tty = p.files.numberFor(fd); p.tty < 0 {
		return problem(unsupported("attr.ControllingTTY with a file that no descriptor of the child is"))
	}
	return nil
}

// indexOf is the index of an attribute of a type, or -1.
func indexOf[A attr.Attr](list attr.List) int {
	return slices.IndexFunc(list, func(a attr.Attr) bool { _, ok := a.(A); return ok })
}

// unsupported is the error of what only the clone engine can do.
func unsupported(what string) error {
	return &attr.UnsupportedError{What: what, Since: plan.Engine}
}
