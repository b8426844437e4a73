//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// lentFD is a descriptor that this process has for one start only, at any number
// that no action names; the child knows it by a variable. It is the failure record's
// or that of the gate of id maps, which are made where they are used, or another one
// of a file: with InheritAll, of one that loses its number before its turn; and of a
// file that is opened anew, so that it blocks.
type lentFD struct {
	v      raw.Var
	fd     int // of the file; -1: none
	action int // whose turn it is
	reopen bool
}

// lend says what is lent, when all that is needed is known.
func (f *fdPlan) lend() {
	if !f.feat.SharedMemory {
		f.vars.errFD = f.Builder().Var()
		f.lent = append(f.lent, lentFD{v: f.vars.errFD, fd: -1})
	}
	if f.vars.gate != 0 {
		f.lent = append(f.lent, lentFD{v: f.vars.gate, fd: -1})
	}
	for i, fd := range f.files {
		if f.reopen.has(fd) && !slices.Contains(f.slots.files, fd) {
			f.lendFile(lentFD{fd: fd, action: i, reopen: true})
		}
	}
	if f.all {
		for _, m := range f.moved {
			f.lendFile(lentFD{fd: m.fd, action: m.action})
		}
	}
}

func (f *fdPlan) lendFile(l lentFD) {
	if _, ok := f.source(l.fd); ok {
		return
	}
	l.v = f.Builder().Var()
	f.lent = append(f.lent, l)
	f.saved = append(f.saved, savedFile{fd: l.fd, v: l.v})
}

// fdSpan is a range of descriptors that the child closes, but for what is lent. As
// only a start knows where that is, it works out the parts between.
type fdSpan struct {
	from, to int     // to: lastFD for all there are
	first    raw.Var // first and last of each part, one part more than there is lent
}

// closeSpan closes from..to but for what is lent.
func (f *fdPlan) closeSpan(ph plan.Phase, from, to int) {
	if to == lastFD && !f.feat.CloseRange && f.vars.high == 0 {
		f.vars.high = f.Builder().Var()
	}
	parts := len(f.lent) + 1
	s := fdSpan{from, to, f.Builder().Vars(2 * parts)}
	f.spans = append(f.spans, s)
	for i := range parts {
		v := s.first + raw.Var(2*i)
		f.closeRange(ph, raw.VarArg(v, 0), raw.VarArg(v+1, 0))
	}
}

// set sets the variables of a span. lent is where things are, in ascending order,
// and high is the last descriptor that there can be.
func (s fdSpan) set(r interface{ Set(v raw.Var, x uint64) }, lent []int, high int) {
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

// lend makes the descriptors of files that are lent.
func (a *attempt) lend() error {
	for i := range a.lent {
		l := &a.lent[i]
		if l.fd < 0 {
			continue
		}
		fd, err := l.open()
		if err == nil {
			fd, err = a.unnamed(fd)
		}
		if err != nil {
			return a.lentError(l, err)
		}
		a.lentOpen = append(a.lentOpen, fd)
		a.r.Set(l.v, uint64(fd))
	}
	return nil
}

// open duplicates the file, or opens it anew.
func (l *lentFD) open() (int, error) {
	if l.reopen {
		return highfd.DupBlocking(l.fd)
	}
	return highfd.Dup(l.fd)
}

func (a *attempt) lentError(l *lentFD, err error) error {
	if l.action < len(a.actions) {
		return wrap(a.path, a.actions[l.action].ErrorAt(l.action, err))
	}
	return wrap(a.path, plan.StartError("file table", err))
}

// unnamed moves a descriptor of the library's own to a number that no action names.
// It closes fd when it fails.
func (e *engine) unnamed(fd int) (int, error) {
	if !e.named.has(fd) {
		return fd, nil
	}
	defer unix.Close(fd)
	for least := highfd.Least; ; {
		n, err := highfd.DupFrom(fd, least)
		if err == unix.EINVAL {
			err = unix.EMFILE // least is the limit
		}
		if err != nil || !e.named.has(n) {
			return n, err
		}
		unix.Close(n)
		least = n + 1
	}
}

// setLent tells the child where all is that is lent.
func (a *attempt) setLent() {
	if len(a.spans) == 0 && a.fds.above == 0 {
		return
	}
	var at []int
	for _, l := range a.lent {
		at = append(at, int(a.r.Get(l.v)))
	}
	slices.Sort(at)
	a.fds.set(a.r, a.spans, at, a.top)
}

// set sets what depends on where all is that is lent, in ascending order. top is
// above all numbers that are named.
func (v fdVars) set(r interface {
	Set(v raw.Var, x uint64)
	Get(v raw.Var) uint64
}, spans []fdSpan, lent []int, top int) {
	high := lastFD
	if v.high != 0 {
		high = max(int(r.Get(v.high)), lent[len(lent)-1])
		r.Set(v.high, uint64(high))
	}
	if v.above != 0 {
		r.Set(v.above, uint64(max(top, lent[len(lent)-1]+1)))
	}
	for _, s := range spans {
		s.set(r, lent, high)
	}
}

// takeBack closes what was lent.
func (a *attempt) takeBack() {
	for _, fd := range a.lentOpen {
		unix.Close(fd)
	}
	a.lentOpen = nil
}
