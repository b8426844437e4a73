//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"os"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// onCompile is for tests of Specs that look at what these become, or change it.
var onCompile func(p *Program)

// OnCompileForTest has f called with each program that is compiled.
func OnCompileForTest(f func(p *Program)) (restore func()) {
	was := onCompile
	onCompile = f
	return func() { onCompile = was }
}

// onCopied is for tests of what others do with the copy of a program.
var onCopied func(fd int)

// OnCopiedForTest has f called with each copy that is made for attr.Digest, before it is
// sealed.
func OnCopiedForTest(f func(fd int)) (restore func()) {
	was := onCopied
	onCopied = f
	return func() { onCopied = was }
}

// ActionsForTest are the file actions.
func (p *Program) ActionsForTest() []plan.Action { return p.actions }

// PhasesForTest are those of Steps, one for each.
func (p *Program) PhasesForTest() (list []plan.Phase) {
	for _, c := range p.prog.Calls() {
		list = append(list, plan.Phase(c.Phase))
	}
	return list
}

// ReorderForTest gives each call another rank, by the name of its step and its phase.
// Programs that p is a copy of stay as they are.
func (p *Program) ReorderForTest(rank func(step string, ph plan.Phase) int) {
	prog := p.prog
	p.prog = prog.Reorder(func(c raw.Call) int { return rank(prog.Step(c.Step).Name, plan.Phase(c.Phase)) })
	if p.copying != nil {
		q := *p.copying
		q.ReorderForTest(rank)
		p.copying = &q
	}
}

// AssumeOOMForTest has starts find that each cgroup limits memory, or kills all of a
// group at once, or neither.
func AssumeOOMForTest(limited, group bool) (restore func()) {
	was := lookAtRisks
	lookAtRisks = func(*os.File) oomRisk { return oomRisk{limited, group} }
	return func() { lookAtRisks = was }
}

// RisksForTest is what a start finds out about a cgroup.
func RisksForTest(dir *os.File) (limited, group bool) {
	r := risksOf(dir)
	return r.limited, r.group
}
