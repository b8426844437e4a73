//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Lowering makes the system calls.
//
// The child starts on a copy of the parent's table that holds only what is
// needed, so what is open in it is known at every point. A file that loses its
// number before its turn is saved first, at a number that nobody mentions. With
// InheritAll the table is not known; files are then lent, see lent.
type Lowering struct {
	*plan.Plan
	uses
	feat    kernel.Features
	actions []plan.Action
	files   []int   // descriptor of each ActFile, -1 for other actions
	extras  []Extra // in the order in which they were brought
	all     bool    // InheritAll

	open  Set // what is open in the child, unless all
	kept  Set // what of it stays open over execve
	saved []savedFile
	lent  []lent
	spans []span
	vars  vars
}

// Extra is a file that an attribute brings.
type Extra struct {
	FD     int        // in this process
	Late   bool       // it is used after the file actions, else before
	Until  plan.Phase // in which it is used last, if that is not before CloseRest
	Part   plan.Part  // of the step; 0 for that of an attribute
	Step   string     // and the next two: of the attribute
	Index  int
	Object string
	Lower  func(fd raw.Arg) // adds the calls, with where the file is in the child; may be nil
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

// LastFD is the last number that a descriptor can have, for close_range.
const LastFD = 1<<31 - 1

var lowerings = sync.Pool{New: func() any { return new(Lowering) }}

// New returns a Lowering of file actions, to be given back by Free.
func New(p *plan.Plan, feat kernel.Features, actions []plan.Action) *Lowering {
	f := lowerings.Get().(*Lowering)
	f.Plan, f.feat, f.actions, f.all = p, feat, actions, plan.InheritsAll(actions)
	return f
}

// Free gives f back. It keeps nothing but memory to be used again.
func (f *Lowering) Free() {
	clear(f.extras)
	*f = Lowering{
		uses: uses{needed: f.needed[:0], named: f.named[:0], table: follower{at: f.table.at[:0]}},
		open: f.open[:0], kept: f.kept[:0], files: f.files[:0], extras: f.extras[:0],
	}
	lowerings.Put(f)
}

// File says which descriptor the next ActFile is of in this process, and -1 for each
// other action. A file that does not block is opened anew where reopen says so.
func (f *Lowering) File(fd int, reopen bool) {
	f.files = append(f.files, fd)
	if reopen {
		f.reopen.Add(fd)
	}
}

// Bring adds a file of an attribute.
func (f *Lowering) Bring(x Extra) { f.extras = append(f.extras, x) }

// Options are about the program as a whole.
type Options struct {
	Slots bool    // files with high numbers may be put on slots
	Gate  raw.Var // where the child waits for its id maps; 0: it does not
	Await func()  // adds the calls of that, once the child has its table
}

// Lower adds the calls of all actions and files, and returns what is to be seen to at
// each start.
func (f *Lowering) Lower(o Options) (Table, error) {
	if o.Slots && !f.all {
		f.slots = planSlots(f.actions, f.files, f.late(), f.reopen)
	}
	if err := f.analyse(f.actions, f.files, f.extras); err != nil {
		return Table{}, err
	}
	f.vars.gate = o.Gate
	f.lowerExtras(false)
	f.lend()
	if !f.feat.CloseRange && f.closesAbove() {
		f.vars.high, f.vars.dir = f.Builder().Var(), f.Builder().Var()
	}
	f.prepare()
	f.lookBeyond()
	if o.Await != nil {
		o.Await()
	}
	f.lower()
	f.lowerExtras(true)
	f.finish()
	return f.result(), nil
}

// lowerExtras adds the calls of what is used before the actions, or after them.
func (f *Lowering) lowerExtras(late bool) {
	for i := range f.extras {
		if x := &f.extras[i]; x.Late == late && x.Lower != nil {
			from, _ := f.source(x.FD)
			f.begin(turn{-1, x})
			x.Lower(from)
		}
	}
}

// late are the files that are used after the actions.
func (f *Lowering) late() (fds []int) {
	for i := range f.extras {
		if f.extras[i].Late {
			fds = append(fds, f.extras[i].FD)
		}
	}
	return fds
}

// Has reports whether the child has a descriptor after all actions, as far as is
// known.
func (f *Lowering) Has(n int) bool {
	o, _ := f.table.origin(n)
	return o == changed || o == fromParent && (n <= 2 || f.all || f.kept.Has(n))
}

// prepare gives the child its own table, with only what is needed in it.
func (f *Lowering) prepare() {
	if f.all {
		return
	}
	f.open = append(f.open, f.needed...)
	f.kept = append(f.kept, 0, 1, 2)
	above := f.needed[len(f.needed)-1] + 1
	if f.slots.first != 0 {
		above = max(above, f.slots.last())
	}
	f.StartStep(plan.StepFileTable)
	if f.feat.CloseRange && f.feat.SharedMemory && f.vars.gate == 0 {
		f.vars.unshare = f.Builder().Var()
		from := fdArg(above)
		if len(f.lent) > 0 {
			f.vars.above = f.Builder().Var()
			from = raw.VarArg(f.vars.above, 0)
		}
		f.Call(plan.FileTable, raw.CloseRange, from, fdArg(LastFD), raw.VarArg(f.vars.unshare, 0))
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
func (f *Lowering) closeBetween(from, to int) {
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

// closesAbove reports whether the child closes all descriptors from some number on.
func (f *Lowering) closesAbove() bool {
	return !f.all || slices.ContainsFunc(f.actions, func(a plan.Action) bool { return a.Kind == plan.ActCloseFrom })
}

// closeAbove closes everything from n on, but for what is lent.
func (f *Lowering) closeAbove(ph plan.Phase, n int) {
	switch {
	case len(f.lent) > 0:
		f.closeSpan(ph, n, LastFD)
		return
	case f.feat.CloseRange:
		f.closeRange(ph, fdArg(n), fdArg(LastFD))
		return
	}
	f.closeRange(ph, fdArg(n), raw.VarArg(f.vars.high, 0))
}

// closeGap closes from..to, which may be empty.
func (f *Lowering) closeGap(ph plan.Phase, from, to int) {
	switch {
	case from == to:
		f.Call(ph, raw.Close, fdArg(from)).Ignore()
	case from < to:
		f.closeRange(ph, fdArg(from), fdArg(to))
	}
}

// closeRange closes from..to. An empty range is an error to close_range(2), and
// ignored.
func (f *Lowering) closeRange(ph plan.Phase, from, to raw.Arg) {
	if f.feat.CloseRange {
		f.Call(ph, raw.CloseRange, from, to, raw.Int(0)).Ignore()
		return
	}
	f.Call(ph, raw.Close, from).Sweep(to)
}

// lower adds the actions.
func (f *Lowering) lower() {
	for _, m := range f.moved {
		if !f.all {
			f.begin(m.turn)
			f.save(m.fd)
		}
	}
	for i := range f.actions {
		f.begin(turn{i, nil})
		f.lowerOne(i, &f.actions[i])
	}
}

// begin begins a step of whose turn it is. What an action acts on is for errors to
// say, and Steps.
func (f *Lowering) begin(who turn) {
	if x := who.extra; x != nil && x.Part == 0 {
		f.AttrStep(x.Step, x.Index, x.Object)
		return
	} else if x != nil {
		f.Builder().Step(raw.Step{Name: x.Step, Part: uint8(x.Part), Index: x.Index, Object: x.Object})
		return
	}
	f.ActionStep(f.actions[who.action].Kind.String(), who.action)
}

// unused is a number for a file of which no action knows.
func (f *Lowering) unused() int {
	t := highfd.Least
	for f.named.Has(t) {
		t++
	}
	f.named.Add(t)
	f.open.Add(t)
	f.top = max(f.top, t+1)
	return t
}

// Program puts the program, after the file actions, where it is until execve. It
// stays open there if stays is set. With InheritAll only the child knows the number,
// which is then -1.
func (f *Lowering) Program(from raw.Arg, stays bool) (at raw.Arg, number int) {
	if f.all {
		v, cmd := f.Builder().Var(), int64(unix.F_DUPFD_CLOEXEC)
		if stays {
			cmd = unix.F_DUPFD
		}
		f.Call(plan.Terminal, raw.Fcntl, from, raw.Int(cmd), raw.Int(highfd.Least)).Keep(v)
		return raw.VarArg(v, 0), -1
	}
	t, flag := f.unused(), int64(unix.O_CLOEXEC)
	if stays {
		flag = 0
	}
	f.kept.Add(t)
	f.Call(plan.Terminal, raw.Dup3, from, fdArg(t), raw.Int(flag))
	return fdArg(t), t
}

// save moves file n of this process out of the way.
func (f *Lowering) save(n int) {
	t := f.unused()
	f.Call(plan.Files, raw.Dup3, fdArg(n), fdArg(t), raw.Int(unix.O_CLOEXEC))
	f.saved = append(f.saved, savedFile{fd: n, at: t})
}

// source is where file n of this process is in the child.
func (f *Lowering) source(n int) (a raw.Arg, moved bool) {
	for _, s := range f.saved {
		if s.fd == n {
			return s.arg(), true
		}
	}
	return fdArg(n), false
}

func (f *Lowering) lowerOne(i int, x *plan.Action) {
	fd := fdArg(x.FD)
	switch x.Kind {
	case plan.ActOpen, plan.ActOpenAt, plan.ActOpenAt2:
		f.lowerOpen(x)
	case plan.ActMkdir, plan.ActSymlink:
		f.lowerMake(x)
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
		SetForeground(f.Plan, plan.Files, fd)
	}
	if !f.all && (x.Changes() || x.Kind == plan.ActDup2 || x.Kind == plan.ActInherit) {
		f.open.Add(x.FD)
		f.kept.Add(x.FD)
	}
}

// dup makes to the same file as from, or where it is that already lets it stay
// open over execve.
func (f *Lowering) dup(from, to raw.Arg, same bool) {
	if same {
		f.Call(plan.Files, raw.Fcntl, to, raw.Int(unix.F_SETFD), raw.Int(0))
		return
	}
	f.Call(plan.Files, raw.Dup3, from, to, raw.Int(0))
}

// lowerOpen opens, and moves the file where openat did not happen to return the
// right number.
func (f *Lowering) lowerOpen(x *plan.Action) {
	fd := fdArg(x.FD)
	if x.From != x.FD && (f.all || f.open.Has(x.FD)) {
		f.Call(plan.Files, raw.Close, fd).Ignore()
	}
	f.MayWait = f.MayWait || x.Path != os.DevNull
	v := f.Builder().Var()
	flag, mode := x.Flag&^syscall.O_CLOEXEC, plan.ModeBits(x.Perm)
	if flag&unix.O_PATH == 0 {
		flag |= unix.O_LARGEFILE // which the kernel adds itself where its words have 64 bits
	}
	if x.Kind == plan.ActOpenAt2 {
		f.openAt2(x, flag, mode).Keep(v)
	} else {
		f.Call(plan.Files, raw.Openat, fdArg(x.From), f.Builder().String(x.Path), raw.Int(int64(flag)), raw.Int(int64(mode))).Keep(v)
	}
	f.Call(plan.Files, raw.Dup3, raw.VarArg(v, 0), fd, raw.Int(0)).SkipEqual(v, uint64(x.FD))
	f.Call(plan.Files, raw.Close, raw.VarArg(v, 0)).Ignore().SkipEqual(v, uint64(x.FD))
}

func (f *Lowering) lowerClose(n int) {
	if f.all || f.open.Has(n) {
		f.Call(plan.Files, raw.Close, fdArg(n)).Ignore()
	}
	f.open.remove(n)
	f.kept.remove(n)
}

func (f *Lowering) lowerCloseFrom(n int) {
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
func (f *Lowering) finish() {
	if f.all {
		return
	}
	f.StartStep(plan.StepFileTable)
	rest := plan.CloseRest
	for i := range f.extras {
		rest = max(rest, f.extras[i].Until)
	}
	for _, l := range f.lent {
		if l.fd >= 0 {
			f.Call(rest, raw.Close, raw.VarArg(l.v, 0)).Ignore()
		}
	}
	if n := len(f.slots.files); n > 0 {
		f.closeRange(rest, raw.VarArg(f.vars.slot, 0), raw.VarArg(f.vars.slot, int32(n-1)))
	}
	f.closeKnown(rest, func(fd int) bool { return !f.kept.Has(fd) })
}

// SetForeground makes the child's group that in the foreground of a terminal.
func SetForeground(p *plan.Plan, ph plan.Phase, fd raw.Arg) {
	pgrp := p.Builder().Var()
	p.Call(ph, raw.Getpgid, raw.Int(0)).Keep(pgrp)
	p.Call(ph, raw.Ioctl, fd, raw.Int(unix.TIOCSPGRP), p.Builder().AddrOfInt(pgrp))
}

// closeKnown closes the open descriptors that match, several at once where
// nothing else is open in between.
func (f *Lowering) closeKnown(ph plan.Phase, match func(fd int) bool) {
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
