//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os"
	"slices"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// LoweredFDs is what the planner makes of file actions, with what it needs to
// know at a start.
type LoweredFDs struct {
	Calls   []raw.Call
	Unshare raw.Var
	High    raw.Var
	ErrFD   raw.Var
	Lent    []LentFD
	Slot    raw.Var
	Slots   []int // files that are on slots
	Vars    int
	Top     int
	Numbers []FDNumber // in the order of the actions

	prog  *raw.Program
	vars  fdVars
	spans []fdSpan
	named fdSet
}

// LentFD is what a start lends: Var is where it is, and FD its file, -1 for none.
type LentFD struct {
	Var raw.Var
	FD  int
}

// Named reports whether a number is named, so that nothing is lent there.
func (l *LoweredFDs) Named(n int) bool { return l.named.has(n) }

// SetLent sets what depends on where all is that is lent, in ascending order.
func (l *LoweredFDs) SetLent(vars interface {
	Set(v raw.Var, x uint64)
	Get(v raw.Var) uint64
}, lent []int) {
	if len(lent) > 0 {
		l.vars.set(vars, l.spans, lent, l.Top)
	}
}

// FDNumber is a descriptor that action takes by number.
type FDNumber struct{ FD, Action int }

// LowerFDs lowers file actions where file action i is of a file with descriptor
// files[i], whatever its os.File really is, and tty that of a terminal, or -1.
// Files for which reopen is true are opened anew. The slots begin with slot, and
// there are none where that is 0.
func LowerFDs(a FileActions, files []int, reopen func(fd int) bool, tty, slot int, closeRange, sharedMemory bool) (*LoweredFDs, error) {
	if err := plan.CheckActions(a.list); err != nil {
		return nil, wrap("", err)
	}
	p := plan.New()
	defer p.Free()
	f := newFDPlan(p, kernel.Features{CloseRange: closeRange, SharedMemory: sharedMemory}, a.list, plan.InheritsAll(a.list))
	defer f.free()
	f.files = append(f.files, files...)
	for _, fd := range files {
		if fd >= 0 && reopen(fd) {
			f.reopen.add(fd)
		}
	}
	if slot != 0 && closeRange && sharedMemory && !f.all {
		f.slots = chooseSlots(slot, a.list, files, f.reopen, tty)
	}
	if err := f.analyse(a.list, files, tty); err != nil {
		return nil, wrap("", err)
	}
	f.lend()
	f.prepare()
	if tty >= 0 {
		p.SetTTY(os.Stdin)
	}
	f.lower()
	if tty >= 0 {
		f.terminal(tty)
	}
	f.finish()
	l := &LoweredFDs{
		Unshare: f.vars.unshare, High: f.vars.high, ErrFD: f.vars.errFD,
		Slot: f.vars.slot, Slots: f.slots.files,
		Vars: int(p.Builder().Var()) + 1, Top: f.top, prog: p.Build(),
	}
	l.vars, l.spans, l.named = f.vars, f.spans, slices.Clone(f.named)
	for _, x := range f.lent {
		l.Lent = append(l.Lent, LentFD{x.v, x.fd})
	}
	l.Calls = l.prog.Calls()
	for _, n := range f.numbers {
		l.Numbers = append(l.Numbers, FDNumber{n.fd, n.action})
	}
	return l, nil
}

// Action is the index of the file action that a call belongs to, -1 for none.
func (l *LoweredFDs) Action(c raw.Call) int { return l.prog.Step(c.Step).Index }
