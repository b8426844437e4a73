//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// optionals are the calls of optional attributes, whose results are kept, and what is known
// at Compile to be lacking.
type optionals struct {
	spared  []raw.Spared
	lacking []*plan.Error
}

// lowerOptional has the child go on after what belongs to optional attributes. A child with
// a copy of the memory writes the results to its pipe, which has nothing else before execve
// but a number of a listener.
func (p *Program) lowerOptional(pl *plan.Plan) {
	p.optionals = optionals{pl.Spare(), pl.Lacking}
	if p.feat.SharedMemory || len(p.spared) == 0 {
		return
	}
	pl.StartStep(plan.StepPipe)
	for _, s := range p.spared {
		pl.Call(plan.Exec, raw.Write, p.fds.Record(), pl.Builder().AddrOf(s.Var), raw.Int(resultSize))
	}
	pl.StartStep(plan.StepExecve)
}

// resultSize is the size of a result in the pipe.
const resultSize = 8

// mayFail reports whether a step belongs to an optional attribute.
func (o *optionals) mayFail(step raw.Step) bool {
	return slices.ContainsFunc(o.spared, func(s raw.Spared) bool { return s.Step == step })
}

// Lacking says why optional attributes can't be set, as far as that was known at Compile.
func (p *Program) Lacking() []*plan.Error { return p.optionals.lacking }

// StepOf is the name of the first step of an optional attribute.
func (p *Program) StepOf(index int) string {
	for _, s := range p.spared {
		if s.Step.Index == index {
			return s.Step.Name
		}
	}
	return plan.StepAttr
}

// refused are the errors of the optional attributes that a child which is past execve does
// not have: that of the first call of each that has failed.
func (a *attempt) refused() (list []*plan.Error) {
	for i, s := range a.spared {
		errno := raw.Errno(a.resultOf(i, s.Var))
		if errno == 0 || slices.ContainsFunc(list, func(e *plan.Error) bool { return e.Index == s.Step.Index }) {
			continue
		}
		list = append(list, a.stepError(s.Step, errno))
	}
	return list
}

// resultOf is the result of a call.
func (a *attempt) resultOf(i int, v raw.Var) uint64 {
	switch {
	case a.way != copyWay:
		return a.r.Get(v)
	case i < len(a.record.results):
		return a.record.results[i]
	}
	return ^uint64(unix.EPIPE) + 1 // which the child would have told
}
