package raw

import (
	"bytes"
	"slices"
	"unsafe"
)

// FailedStatus is what a child that failed before execve exits with. Nobody sees
// it: the parent reaps such a child and reports the failure record.
const FailedStatus = 127

// Program is what a child does between clone and execve. It is immutable and
// may be run any number of times at once.
type Program struct {
	ops   []Op // read by the child
	info  []opInfo
	steps []Step
	arena []uint64 // read by the child: strings, argv, envp, structures
	addrs []addrOf
	nvars int
	relay relay
}

// opInfo is what only Calls needs to know of an operation.
type opInfo struct {
	sys    Sys
	phase  uint8
	relocs uint8
	texts  uint8
}

// Step returns step i.
func (p *Program) Step(i int) Step { return p.steps[i] }

// Calls lists the operations in the order in which the child performs them.
func (p *Program) Calls() []Call {
	calls := make([]Call, 0, len(p.info))
	elses := 0 // operations that are alternatives to an earlier one
	for i, info := range p.info {
		op := &p.ops[i]
		c := Call{Sys: info.sys, Phase: info.phase, Step: int(op.step), Else: elses > 0, Keep: 0}
		for a := range c.Args {
			c.Args[a] = p.value(op, info, a, op.args[a])
		}
		if op.flags&flagKeep != 0 {
			c.Keep = Var(op.keep)
		}
		if op.flags&flagSkipEqual != 0 {
			c.When = &Condition{Var(op.cond), op.equal}
		}
		if op.flags&flagSweep != 0 {
			last := p.value(op, info, equalVar, op.equal)
			c.Sweep = &last
		}
		elses = max(elses-1, int(op.skip))
		calls = append(calls, c)
	}
	return calls
}

func (p *Program) value(op *Op, info opInfo, bit int, x uint64) Value {
	switch mask := uint8(1) << bit; {
	case info.texts&mask != 0:
		return Value{Kind: KindText, Num: x, Text: p.text(x)}
	case info.relocs&mask != 0:
		return Value{Kind: KindAddress, Num: x}
	case op.varArgs&mask != 0:
		v := Var(uint32(x))
		for _, a := range p.addrs {
			if a.v == v && a.target == 0 {
				return Value{Kind: KindPlace, Text: placeNames[a.place]}
			} else if a.v == v {
				return Value{Kind: KindVarAddress, Var: a.target, Num: uint64(a.offset)}
			}
		}
		return Value{Kind: KindVar, Var: v, Num: uint64(int64(x) >> 32)}
	}
	return Value{Num: x}
}

// text reads the string at an address in the arena.
func (p *Program) text(addr uint64) string {
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(p.arena))), len(p.arena)*8)
	s := all[addr-uint64(uintptr(unsafe.Pointer(unsafe.SliceData(p.arena)))):]
	return string(s[:bytes.IndexByte(s, 0)])
}

// Reorder is p with its operations sorted by rank. It is for tests that show why
// the order of phases is what it is; p stays as it is.
func (p *Program) Reorder(rank func(Call) int) *Program {
	calls := p.Calls()
	order := make([]int, len(calls))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int { return rank(calls[i]) - rank(calls[j]) })
	q := *p
	q.ops, q.info = slices.Clone(p.ops), slices.Clone(p.info)
	for to, from := range order {
		q.ops[to], q.info[to] = p.ops[from], p.info[from]
	}
	return &q
}

// Len is the number of operations.
func (p *Program) Len() int { return len(p.info) }
