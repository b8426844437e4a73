//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// fdPlan lowers the file actions to system calls.
//
// The child starts on a copy of the parent's table that holds only what is
// needed, so what is open in it is known at every point. A file that loses its
// number before its turn is saved first, at a number that nobody mentions. With
// InheritAll the table is not known; files are then lent, see lentFD.
type fdPlan struct {
	*plan.Plan
	fdUses
	feat    kernel.Features
	actions []plan.Action
	files   []int // descriptor of each actFile, and of the Landlock ruleset
	all     bool  // InheritAll

	open  fdSet // what is open in the child, unless all
	kept  fdSet // what of it stays open over execve
	saved []savedFile
	lent  []lentFD
	spans []fdSpan

	vars fdVars
}

// fdVars are set at each start.
type fdVars struct {
	unshare raw.Var // flags of the first close_range
	high    raw.Var // last open descriptor; only without close_range
	errFD   raw.Var // failure record's descriptor; only without shared memory
	slot    raw.Var // first slot; only with files that are on slots
	gate    raw.Var // where the child waits for its id maps; only with these
	above   raw.Var // above all that is needed, where something is lent
}

// savedFile says where file fd of this process is: at a number, or, where v is not
// 0, at that in a variable plus the number.
type savedFile struct {
	fd, at int
	v      raw.Var
}

func (s savedFile) arg() raw.Arg {
	if s.v != 0 {
		return raw.VarArg(s.v, int32(s.at))
	}
	return fdArg(s.at)
}

func fdArg(n int) raw.Arg { return raw.Int(int64(n)) }

const lastFD = 1<<32 - 1

var fdPlans = sync.Pool{New: func() any { return new(fdPlan) }}

// newFDPlan returns an empty plan, to be given back by free.
func newFDPlan(p *plan.Plan, feat kernel.Features, actions []plan.Action, all bool) *fdPlan {
	f := fdPlans.Get().(*fdPlan)
	f.Plan, f.feat, f.actions, f.all = p, feat, actions, all
	return f
}

// free gives f back. It keeps nothing but memory to be used again.
func (f *fdPlan) free() {
	*f = fdPlan{
		fdUses: fdUses{needed: f.needed[:0], named: f.named[:0], table: fdTable{at: f.table.at[:0]}},
		open:   f.open[:0], kept: f.kept[:0], files: f.files[:0],
	}
	fdPlans.Put(f)
}

// prepare gives the child its own table, with only what is needed in it.
func (f *fdPlan) prepare() {
	if f.all {
		return
	}
	f.open = append(f.open, f.needed...)
	f.kept = append(f.kept, 0, 1, 2)
	above := f.needed[len(f.needed)-1] + 1
	if f.slots.first != 0 {
		above = max(above, f.slots.last())
	}
	f.StartStep("file table")
	if f.feat.CloseRange && f.feat.SharedMemory && f.vars.gate == 0 {
		f.vars.unshare = f.Builder().Var()
		from := fdArg(above)
		if len(f.lent) > 0 {
			f.vars.above = f.Builder().Var()
			from = raw.VarArg(f.vars.above, 0)
		}
		f.Call(plan.FileTable, raw.CloseRange, from, fdArg(lastFD), raw.VarArg(f.vars.unshare, 0))
	}
	if f.vars.unshare == 0 || len(f.lent) > 0 {
		f.closeAbove(plan.FileTable, above)
	}
	next := 0
	for _, n := range f.needed {
		f.closeBetween(next, n-1)
		next = n + 1
	}
	f.closeBetween(next, above-1)
}

// closeBetween closes from..to, but for the files that are on slots. There is no
// needed number among the slots.
func (f *fdPlan) closeBetween(from, to int) {
	s := f.slots
	switch {
	case len(f.lent) > 0 && from <= to:
		f.closeSpan(plan.FileTable, from, to)
		return
	case s.first == 0 || to < s.first || from >= s.last():
		f.closeGap(plan.FileTable, from, to)
		return
	}
	f.vars.slot = f.Builder().Var()
	f.closeRange(plan.FileTable, fdArg(from), raw.VarArg(f.vars.slot, -1))
	f.closeRange(plan.FileTable, raw.VarArg(f.vars.slot, int32(len(s.files))), fdArg(to))
	for i, fd := range s.files {
		f.saved = append(f.saved, savedFile{fd: fd, at: i, v: f.vars.slot})
	}
}

// closeAbove closes everything from n on, but for what is lent.
func (f *fdPlan) closeAbove(ph plan.Phase, n int) {
	switch {
	case len(f.lent) > 0:
		f.closeSpan(ph, n, lastFD)
		return
	case f.feat.CloseRange:
		f.closeRange(ph, fdArg(n), fdArg(lastFD))
		return
	case f.vars.high == 0:
		f.vars.high = f.Builder().Var()
	}
	f.closeRange(ph, fdArg(n), raw.VarArg(f.vars.high, 0))
}

// closeGap closes from..to, which may be empty.
func (f *fdPlan) closeGap(ph plan.Phase, from, to int) {
	switch {
	case from == to:
		f.Call(ph, raw.Close, fdArg(from)).Ignore()
	case from < to:
		f.closeRange(ph, fdArg(from), fdArg(to))
	}
}

// closeRange closes from..to. An empty range is an error to close_range(2), and
// ignored.
func (f *fdPlan) closeRange(ph plan.Phase, from, to raw.Arg) {
	if f.feat.CloseRange {
		f.Call(ph, raw.CloseRange, from, to, raw.Int(0)).Ignore()
		return
	}
	f.Call(ph, raw.Close, from).Sweep(to)
}

// lower adds the actions.
func (f *fdPlan) lower() {
	for _, m := range f.moved {
		if !f.all {
			f.stepOf(m.action)
			f.save(m.fd)
		}
	}
	for i := range f.actions {
		f.stepOf(i)
		f.lowerOne(i, &f.actions[i])
	}
}

// stepOf begins a step of action i, of the terminal or of the ruleset. What an
// action acts on is for objectOf to say.
func (f *fdPlan) stepOf(i int) {
	if i < len(f.actions) {
		f.ActionStep(f.actions[i].Kind.String(), i)
		return
	}
	if r := f.Ruleset; i > len(f.actions) {
		f.AttrStep("landlock", r.Index, r.Object)
		return
	}
	f.AttrStep("ctty", f.TTY.Index, f.TTY.Name())
}

// save moves file n of this process out of the way.
func (f *fdPlan) save(n int) {
	t := 3
	for f.named.has(t) {
		t++
	}
	f.named.add(t)
	f.open.add(t)
	f.top = max(f.top, t+1)
	f.Call(plan.Files, raw.Dup3, fdArg(n), fdArg(t), raw.Int(unix.O_CLOEXEC))
	f.saved = append(f.saved, savedFile{fd: n, at: t})
}

// source is where file n of this process is in the child.
func (f *fdPlan) source(n int) (a raw.Arg, moved bool) {
	for _, s := range f.saved {
		if s.fd == n {
			return s.arg(), true
		}
	}
	return fdArg(n), false
}

func (f *fdPlan) lowerOne(i int, x *plan.Action) {
	fd := fdArg(x.FD)
	switch x.Kind {
	case plan.ActOpen, plan.ActOpenAt:
		f.lowerOpen(x)
	case plan.ActDup2:
		f.dup(fdArg(x.From), fd, x.From == x.FD)
	case plan.ActFile:
		from, moved := f.source(f.files[i])
		f.dup(from, fd, f.files[i] == x.FD && !moved)
	case plan.ActInherit:
		f.dup(fd, fd, true)
	case plan.ActClose:
		f.lowerClose(x.FD)
	case plan.ActCloseFrom:
		f.lowerCloseFrom(x.FD)
	case plan.ActChdir:
		f.Call(plan.Files, raw.Chdir, f.Builder().String(x.Path))
	case plan.ActFchdir:
		f.Call(plan.Files, raw.Fchdir, fd)
	case plan.ActTcsetpgrp:
		f.setForeground(plan.Files, fd)
	}
	if !f.all && (x.Changes() || x.Kind == plan.ActDup2 || x.Kind == plan.ActInherit) {
		f.open.add(x.FD)
		f.kept.add(x.FD)
	}
}

// dup makes to the same file as from, or where it is that already lets it stay
// open over execve.
func (f *fdPlan) dup(from, to raw.Arg, same bool) {
	if same {
		f.Call(plan.Files, raw.Fcntl, to, raw.Int(unix.F_SETFD), raw.Int(0))
		return
	}
	f.Call(plan.Files, raw.Dup3, from, to, raw.Int(0))
}

// lowerOpen opens, and moves the file where openat did not happen to return the
// right number.
func (f *fdPlan) lowerOpen(x *plan.Action) {
	fd := fdArg(x.FD)
	if x.From != x.FD && (f.all || f.open.has(x.FD)) {
		f.Call(plan.Files, raw.Close, fd).Ignore()
	}
	f.MayWait = f.MayWait || x.Path != os.DevNull
	v := f.Builder().Var()
	flag := x.Flag &^ syscall.O_CLOEXEC
	f.Call(plan.Files, raw.Openat, fdArg(x.From), f.Builder().String(x.Path),
		raw.Int(int64(flag)), raw.Int(int64(plan.ModeBits(x.Perm)))).Keep(v)
	f.Call(plan.Files, raw.Dup3, raw.VarArg(v, 0), fd, raw.Int(0)).SkipEqual(v, uint64(x.FD))
	f.Call(plan.Files, raw.Close, raw.VarArg(v, 0)).Ignore().SkipEqual(v, uint64(x.FD))
}

func (f *fdPlan) lowerClose(n int) {
	if f.all || f.open.has(n) {
		f.Call(plan.Files, raw.Close, fdArg(n)).Ignore()
	}
	f.open.remove(n)
	f.kept.remove(n)
}

func (f *fdPlan) lowerCloseFrom(n int) {
	if f.all {
		f.closeAbove(plan.Files, n)
		return
	}
	f.kept.removeFrom(n)
	f.closeKnown(plan.Files, func(fd int) bool {
		return fd >= n && !slices.ContainsFunc(f.saved, func(s savedFile) bool { return s.v == 0 && s.at == fd })
	})
}

// finish closes what was only needed on the way. Which of 0, 1 and 2 the program
// has of this process's is for execve to say: they are as they were when the table
// was copied, and nothing is open there that is not close-on-exec.
func (f *fdPlan) finish() {
	if f.all {
		return
	}
	f.StartStep("file table")
	rest := plan.CloseRest
	if f.Ruleset != nil {
		rest = plan.Landlock // the ruleset is needed until then
	}
	for _, l := range f.lent {
		if l.fd >= 0 {
			f.Call(rest, raw.Close, raw.VarArg(l.v, 0)).Ignore()
		}
	}
	if n := len(f.slots.files); n > 0 {
		f.closeRange(rest, raw.VarArg(f.vars.slot, 0), raw.VarArg(f.vars.slot, int32(n-1)))
	}
	f.closeKnown(rest, func(fd int) bool { return !f.kept.has(fd) })
}

// closeKnown closes the open descriptors that match, several at once where
// nothing else is open in between.
func (f *fdPlan) closeKnown(ph plan.Phase, match func(fd int) bool) {
	first, last := -1, -1
	flush := func() {
		if first >= 0 {
			f.closeGap(ph, first, last)
		}
		first = -1
	}
	stay := f.open[:0]
	for _, fd := range f.open {
		if f.slots.first > first && f.slots.first < fd {
			flush() // files on slots are in between
		}
		if len(f.lent) > 0 && fd != last+1 {
			flush() // and so may what is lent
		}
		switch {
		case !match(fd):
			stay = append(stay, fd)
			flush()
			continue
		case first < 0:
			first = fd
		}
		last = fd
	}
	flush()
	f.open = stay
}
