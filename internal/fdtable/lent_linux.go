//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"slices"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// lent is a descriptor that this process has for one start only, at any number
// that no action names; the child knows it by a variable. It is the failure record's
// or that of the gate of id maps, which are made where they are used, or another one
// of a file: with InheritAll, of one that loses its number before its turn; and of a
// file that is opened anew, so that it blocks.
type lent struct {
	v      raw.Var
	fd     int // of the file; -1: none
	action int // whose turn it is; -1: that of no action
	reopen bool
}

// lend says what is lent, when all that is needed is known.
func (f *Lowering) lend() {
	if !f.feat.SharedMemory {
		f.vars.errFD = f.Builder().Var()
		f.lent = append(f.lent, lent{v: f.vars.errFD, fd: -1})
	}
	if f.vars.gate != 0 {
		f.lent = append(f.lent, lent{v: f.vars.gate, fd: -1})
	}
	for i, fd := range f.files {
		if f.reopen.Has(fd) && !slices.Contains(f.slots.files, fd) {
			f.lendFile(lent{fd: fd, action: i, reopen: true})
		}
	}
	if f.all {
		for _, m := range f.moved {
			f.lendFile(lent{fd: m.fd, action: m.action})
		}
	}
}

func (f *Lowering) lendFile(l lent) {
	if _, ok := f.source(l.fd); ok {
		return
	}
	l.v = f.Builder().Var()
	f.lent = append(f.lent, l)
	f.saved = append(f.saved, savedFile{fd: l.fd, v: l.v})
}

// span is a range of descriptors that the child closes, but for what is lent. As
// only a start knows where that is, it works out the parts between.
type span struct {
	from, to int     // to: LastFD for all there are
	first    raw.Var // first and last of each part, one part more than there is lent
}

// closeSpan closes from..to but for what is lent.
func (f *Lowering) closeSpan(ph plan.Phase, from, to int) {
	parts := len(f.lent) + 1
	s := span{from, to, f.Builder().Vars(2 * parts)}
	f.spans = append(f.spans, s)
	for i := range parts {
		v := s.first + raw.Var(2*i)
		f.closeRange(ph, raw.VarArg(v, 0), raw.VarArg(v+1, 0))
	}
}

// set sets the variables of a span. lent is where things are, in ascending order,
// and high is the last descriptor that there can be.
func (s span) set(r interface{ Set(v raw.Var, x uint64) }, lent []int, high int) {
	from, to, v := s.from, min(s.to, high), s.first
	part := func(first, last int) {
		if first > last {
			first, last = 1, 0
		}
		r.Set(v, uint64(first))
		r.Set(v+1, uint64(last))
		v += 2
	}
	for _, n := range lent {
		if n < from || n > to {
			part(1, 0)
			continue
		}
		part(from, n-1)
		from = n + 1
	}
	part(from, to)
}
