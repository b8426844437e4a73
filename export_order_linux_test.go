//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Phases are those of p.Steps, one for each.
func (p *Program) Phases() (list []plan.Phase) {
	for _, c := range p.prog.Calls() {
		list = append(list, plan.Phase(c.Phase))
	}
	return list
}

// Swapped is p with what it does in two phases exchanged.
func (p *Program) Swapped(a, b plan.Phase) *Program {
	return p.reordered(func(_ *engine, c raw.Call) int {
		switch plan.Phase(c.Phase) {
		case a:
			return int(b)
		case b:
			return int(a)
		}
		return int(c.Phase)
	})
}

// Hastened is p with a step made the first of its phase.
func (p *Program) Hastened(step string) *Program {
	return p.reordered(func(e *engine, c raw.Call) int {
		if e.prog.Step(c.Step).Name == step {
			return 2*int(c.Phase) - 1
		}
		return 2 * int(c.Phase)
	})
}

func (p *Program) reordered(rank func(*engine, raw.Call) int) *Program {
	q := *p
	q.prog = p.prog.Reorder(func(c raw.Call) int { return rank(&p.engine, c) })
	if p.copying != nil {
		e := *p.copying
		e.prog = e.prog.Reorder(func(c raw.Call) int { return rank(&p.copying.engine, c) })
		q.copying = &e
	}
	return &q
}

// ActionKinds are the names of all kinds of file actions.
func ActionKinds() []string { return plan.ActionKinds() }

// ActionsOf are the kinds of the file actions of s.
func ActionsOf(s *Spec) (names []string) {
	for _, x := range s.Actions.list {
		names = append(names, x.Kind.String())
	}
	return names
}
