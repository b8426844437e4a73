//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Lowered is what file actions become, for a test that runs it in a model of the
// kernel.
type Lowered struct {
	Calls   []raw.Call
	Unshare raw.Var
	High    raw.Var
	Dir     raw.Var
	ErrFD   raw.Var
	Lent    []LentFD
	Slot    raw.Var
	Slots   []int // files that are on slots
	Vars    int
	Top     int
	Numbers []FDNumber // in the order of the actions

	prog  *raw.Program
	table Table
	named Set
}

// LentFD is what a start lends: Var is where it is, and FD its file, -1 for none.
type LentFD struct {
	Var raw.Var
	FD  int
}

// FDNumber is a descriptor that action takes by number.
type FDNumber struct{ FD, Action int }

// Named reports whether a number is named, so that nothing is lent there.
func (l *Lowered) Named(n int) bool { return l.named.Has(n) }

// SetLent sets what depends on where all is that is lent, in ascending order.
func (l *Lowered) SetLent(vars interface {
	Set(v raw.Var, x uint64)
	Get(v raw.Var) uint64
}, lent []int) {
	if len(lent) > 0 {
		l.table.setLent(vars, lent)
	}
}

// Action is the index of the file action that a call belongs to, -1 for none.
func (l *Lowered) Action(c raw.Call) int { return l.prog.Step(c.Step).Index }

// LowerForTest lowers file actions where file action i is of a file with descriptor
// files[i], whatever its os.File really is, and tty that of a terminal, or -1.
// Files for which reopen is true are opened anew. The slots begin with slot, and
// there are none where that is 0.
func LowerForTest(list []plan.Action, files []int, reopen func(fd int) bool, tty, slot int, feat kernel.Features) (*Lowered, error) {
	if err := plan.CheckActions(list); err != nil {
		return nil, err
	}
	p := plan.New()
	defer p.Free()
	f := New(p, feat, list)
	defer f.Free()
	for _, fd := range files {
		f.File(fd, fd >= 0 && reopen(fd))
	}
	if tty >= 0 {
		f.Bring(Extra{FD: tty, Late: true, Step: plan.StepCtty, Lower: func(fd raw.Arg) {
			f.Call(plan.Terminal, raw.Ioctl, fd, raw.Int(unix.TIOCSCTTY), raw.Int(0))
		}})
	}
	if slot != 0 && feat.CloseRange && feat.SharedMemory && !f.all {
		f.slots = chooseSlots(slot, list, append(f.late(), files...), f.reopen)
	}
	t, err := f.Lower(Options{})
	if err != nil {
		return nil, err
	}
	l := &Lowered{
		Unshare: t.vars.unshare, High: t.vars.high, Dir: t.vars.dir, ErrFD: t.vars.errFD, Slot: t.vars.slot, Slots: t.slots, Top: t.top,
		Vars: int(p.Builder().Var()) + 1, prog: p.Build(), table: t, named: slices.Clone(f.named),
	}
	for _, x := range t.lent {
		l.Lent = append(l.Lent, LentFD{x.v, x.fd})
	}
	l.Calls = l.prog.Calls()
	for _, n := range t.numbers {
		l.Numbers = append(l.Numbers, FDNumber{n.fd, n.action})
	}
	return l, nil
}

// SlotsPerGroup is how many files can be on slots.
const SlotsPerGroup = slotsPerGroup

// SlotsForTest reserves the slots, and returns the first and how many there are.
func SlotsForTest() (first, n int) {
	slots.reserve()
	return slots.first, slotsPerGroup * slotGroups
}

// ForgetSlotsForTest gives up the slots, so that they are reserved anew.
func ForgetSlotsForTest() {
	slots.mu.Lock()
	defer slots.mu.Unlock()
	for fd := slots.first; fd <= slots.neutral(); fd++ {
		if slots.isNeutral(fd) {
			closeAll([]int{fd})
		}
	}
	slots.first, slots.broken = 0, false
}
