//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import "github.com/safespawn/spawn/internal/plan"

// Phases are those of p.Steps, one for each.
func (p *Program) Phases() []plan.Phase { return p.program.PhasesForTest() }

// Swapped is p with what it does in two phases exchanged.
func (p *Program) Swapped(a, b plan.Phase) *Program {
	return p.reordered(func(_ string, ph plan.Phase) int {
		switch ph {
		case a:
			return int(b)
		case b:
			return int(a)
		}
		return int(ph)
	})
}

// Hastened is p with a step made the first of its phase.
func (p *Program) Hastened(step string) *Program {
	return p.reordered(func(name string, ph plan.Phase) int {
		if name == step {
			return 2*int(ph) - 1
		}
		return 2 * int(ph)
	})
}

func (p *Program) reordered(rank func(step string, ph plan.Phase) int) *Program {
	q := *p
	q.program.ReorderForTest(rank)
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
