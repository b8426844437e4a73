//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

// Package fdtable makes system calls of file actions, and of the files that
// attributes bring.
package fdtable

import (
	"math"
	"slices"

	"github.com/safespawn/spawn/internal/plan"
)

// Set is a set of descriptors, in ascending order.
type Set []int

func (s Set) Has(n int) bool {
	_, ok := slices.BinarySearch(s, n)
	return ok
}

func (s *Set) Add(n int) {
	if last := len(*s) - 1; last < 0 || n > (*s)[last] { // mostly
		*s = append(*s, n)
		return
	}
	if i, ok := slices.BinarySearch(*s, n); !ok {
		*s = slices.Insert(*s, i, n)
	}
}

func (s *Set) remove(n int) {
	if i, ok := slices.BinarySearch(*s, n); ok {
		*s = slices.Delete(*s, i, i+1)
	}
}

// removeFrom removes n and all above.
func (s *Set) removeFrom(n int) {
	i, _ := slices.BinarySearch(*s, n)
	*s = (*s)[:i]
}

// origin is what is at a number in the child.
type origin uint8

const (
	fromParent origin = iota
	changed
	closed
)

// follower follows the numbers through the actions.
type follower struct {
	at         []state
	closedFrom int // CloseFrom: everything from here on that is not in at
	closedBy   int
}

// reset makes t the table of this process, and keeps its memory.
func (t *follower) reset() { *t = follower{at: t.at[:0], closedFrom: math.MaxInt} }

// state is what is at number n, and the action that made it that.
type state struct {
	n      int
	origin origin
	by     int
}

// origin returns what is at n, and the action that closed it.
func (t *follower) origin(n int) (o origin, closer int) {
	for i := range t.at {
		if t.at[i].n == n {
			return t.at[i].origin, t.at[i].by
		}
	}
	if n >= t.closedFrom {
		return closed, t.closedBy
	}
	return fromParent, -1
}

// apply performs action i.
func (t *follower) apply(i int, x *plan.Action) {
	switch {
	case x.Changes():
		t.set(state{x.FD, changed, i})
	case x.Kind == plan.ActClose:
		t.set(state{x.FD, closed, i})
	case x.Kind == plan.ActCloseFrom:
		t.at = slices.DeleteFunc(t.at, func(s state) bool { return s.n >= x.FD })
		if x.FD <= t.closedFrom {
			t.closedFrom, t.closedBy = x.FD, i
		}
	}
}

func (t *follower) set(s state) {
	for i := range t.at {
		if t.at[i].n == s.n {
			t.at[i] = s
			return
		}
	}
	if t.at == nil {
		t.at = make([]state, 0, 4)
	}
	t.at = append(t.at, s)
}

// uses is what the file actions and the files of attributes need of this process's
// descriptors.
type uses struct {
	needed  Set         // what the child works with
	named   Set         // all numbers that are needed or mentioned
	moved   []movedFile // files that lose their number before their turn
	numbers []numberUse // what was given as a number, to be checked
	table   follower    // after the actions
	slots   slotPlan    // where files with high numbers are found
	reopen  Set         // files that are to be opened anew
	top     int         // above all numbers that may hold a file
}

// numberUse is a descriptor of this process that an action uses.
type numberUse struct{ fd, action int }

// movedFile is a file of this process, and whose turn it is.
type movedFile struct {
	fd int
	turn
}

// turn is that of a file action, or of a file that an attribute brings.
type turn struct {
	action int
	extra  *Extra // nil: the action's
}

// analyse follows the actions. files has the descriptor of each ActFile.
func (u *uses) analyse(actions []plan.Action, files []int, extras []Extra) error {
	for n := range 3 {
		u.need(n)
	}
	if u.slots.first != 0 {
		for n := u.slots.first; n <= u.slots.last(); n++ {
			u.named.Add(n)
		}
		u.top = max(u.top, u.slots.last()+1)
	}
	t := &u.table
	t.reset()
	for i := range actions {
		x := &actions[i]
		if x.HasFD() {
			u.name(x)
		}
		if x.Kind == plan.ActFile {
			u.file(files[i], turn{i, nil})
		} else if n, ok := x.Uses(); ok {
			switch o, by := t.origin(n); o {
			case closed:
				return x.ErrorAt(i, plan.Invalid("descriptor %d was closed by action %d", n, by))
			case fromParent:
				u.need(n)
				u.numbers = append(u.numbers, numberUse{n, i})
			}
		}
		t.apply(i, x)
	}
	for i := range extras {
		if x := &extras[i]; x.Late {
			u.file(x.FD, turn{-1, x})
		} else {
			u.need(x.FD)
		}
	}
	return nil
}

// name notes that an action mentions x.FD. Unless the action is to close it, the child
// may have a file there.
func (u *uses) name(x *plan.Action) {
	u.named.Add(x.FD)
	if x.Kind != plan.ActClose && x.Kind != plan.ActCloseFrom {
		u.top = max(u.top, x.FD+1)
	}
}

// file notes that a file of this process is used when it is who's turn. Where an earlier
// action has another file at its number by then, it is moved first.
func (u *uses) file(fd int, who turn) {
	if slices.Contains(u.slots.files, fd) || u.reopen.Has(fd) {
		return
	}
	u.need(fd)
	if o, _ := u.table.origin(fd); o == fromParent {
		return
	}
	if !slices.ContainsFunc(u.moved, func(m movedFile) bool { return m.fd == fd }) {
		u.moved = append(u.moved, movedFile{fd, who})
	}
}

func (u *uses) need(n int) {
	u.needed.Add(n)
	u.named.Add(n)
	u.top = max(u.top, n+1)
}
