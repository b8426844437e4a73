//go:build (amd64 || arm64) && !android

package engine

import (
	"sync"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
)

// template is a program that was started but once. Programs of one shape differ in the
// path, the arguments and the environment alone, so the next one is the template with
// these filled in. To compile takes three times the instructions, and their cache lines are
// cold by the time of the next start.
type template struct {
	shape   shape
	program Program // prog is nil until there was one
}

// templates are by a hash of the shape. The collector takes those that nobody uses.
var templates [8]sync.Pool

// shape is what decides about the operations before execve, besides the kernel.
type shape struct {
	inherits bool // attr.InheritIgnored
	n        int  // number of actions
	actions  [maxShape]shapeOfAction
}

// maxShape bounds how many actions a shape has.
const maxShape = 6

type shapeOfAction struct {
	kind           plan.ActionKind
	fd, from, file int // file is the descriptor of Action.File
}

// pool is where templates of the shape may be.
func (s *shape) pool() *sync.Pool {
	h := s.n
	if s.inherits {
		h = -h - 1
	}
	for _, a := range s.actions[:s.n] {
		h = 31*h + a.fd + 7*a.from + 13*a.file
	}
	return &templates[uint(h)%uint(len(templates))]
}

// shapeOf finds the shape of an Input, and holds its files. ok is false where it has none.
func (p *Program) shapeOf(in *Input) (s shape, ok bool) {
	if in.File != nil || in.Shell || in.Timed || in.PIDVariable != "" || len(in.Attr) > 1 || len(in.Actions) > maxShape {
		return s, false
	}
	if len(in.Attr) == 1 {
		if _, s.inherits = in.Attr[0].(attr.InheritIgnored); !s.inherits {
			return s, false
		}
	}
	s.n = len(in.Actions)
	for i := range in.Actions {
		x := &in.Actions[i]
		s.actions[i] = shapeOfAction{x.Kind, x.FD, x.From, -1}
		switch x.Kind {
		case plan.ActDup2, plan.ActClose, plan.ActInherit:
		case plan.ActFile:
			fd, err := p.hold(x.File, plan.PartAction, x.Kind.String(), i)
			if err != nil || fdtable.IsHigh(fd) || !x.AsIs && highfd.BlocksAnew(fd) {
				return s, false
			}
			s.actions[i].file = fd
		default:
			return s, false
		}
	}
	return s, fdtable.CheckLimit(in.Actions) == nil
}

// refill makes the program of a template, where there is one of its shape. Otherwise the
// program is still to be compiled, and becomes a template.
func (p *Program) refill(f *kernel.Findings, in *Input) bool {
	s, ok := p.shapeOf(in)
	files := p.files
	p.files = nil
	if !ok {
		return false
	}
	t, _ := s.pool().Get().(*template)
	if t == nil {
		p.template = &template{shape: s}
		return false
	}
	q := &t.program
	if t.shape != s || q.inputs.generation != f.Generation || q.feat != f.Features ||
		s.inherits && q.notInherited() != 0 || !q.memory.Builder().Refill(in.Path, in.Argv, in.Env) {
		q.memory.Free()
		*t = template{shape: s}
		p.template = t
		return false
	}
	*p = *q
	p.files, p.path, p.actions, p.template = files, in.Path, in.Actions, t
	p.inputs.Input = *in
	p.diag = newDiagnosis(in, p.memory)
	return true
}

// keepTemplate reports whether the program, which is over, has become a template.
func (p *Program) keepTemplate() bool {
	t := p.template
	if t == nil || p.memory == nil || !p.refillable() {
		return false
	}
	if t.program.prog == nil {
		t.program = *p
		t.program.template, t.program.files, t.program.actions = nil, nil, nil
		t.program.inputs.Input, t.program.diag = Input{}, diagnosis{}
	}
	t.shape.pool().Put(t)
	return true
}

// refillable reports whether nothing of the program depends on more than its shape.
func (p *Program) refillable() bool {
	return p.way == vforkWay && p.fds.Plain() && p.copying == nil && p.apart == nil && !p.signals.known &&
		p.memory.Builder().Refillable(p.prog)
}
