//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"slices"

	"github.com/safespawn/spawn/internal/plan"
)

// fdSet is a set of descriptors, in ascending order.
type fdSet []int

func (s fdSet) has(n int) bool {
	_, ok := slices.BinarySearch(s, n)
	return ok
}

func (s *fdSet) add(n int) {
	if i, ok := slices.BinarySearch(*s, n); !ok {
		*s = slices.Insert(*s, i, n)
	}
}

func (s *fdSet) remove(n int) {
	if i, ok := slices.BinarySearch(*s, n); ok {
		*s = slices.Delete(*s, i, i+1)
	}
}

// removeFrom removes n and all above.
func (s *fdSet) removeFrom(n int) {
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

// fdTable follows the numbers through the actions.
type fdTable struct {
	at         []fdState
	closedFrom int // CloseFrom: everything from here on that is not in at
	closedBy   int
}

// reset makes t the table of this process, and keeps its memory.
func (t *fdTable) reset() { *t = fdTable{at: t.at[:0], closedFrom: 1 << 31} }

// fdState is what is at number n, and the action that made it that.
type fdState struct {
	n      int
	origin origin
	by     int
}

// origin returns what is at n, and the action that closed it.
func (t *fdTable) origin(n int) (o origin, closer int) {
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
func (t *fdTable) apply(i int, x *plan.Action) {
	switch {
	case x.Changes():
		t.set(fdState{x.FD, changed, i})
	case x.Kind == plan.ActClose:
		t.set(fdState{x.FD, closed, i})
	case x.Kind == plan.ActCloseFrom:
		t.at = slices.DeleteFunc(t.at, func(s fdState) bool { return s.n >= x.FD })
		if x.FD <= t.closedFrom {
			t.closedFrom, t.closedBy = x.FD, i
		}
	}
}

func (t *fdTable) set(s fdState) {
	for i := range t.at {
		if t.at[i].n == s.n {
			t.at[i] = s
			return
		}
	}
	if t.at == nil {
		t.at = make([]fdState, 0, 4)
	}
	t.at = append(t.at, s)
}

// fdUses is what the file actions need of this process's descriptors.
type fdUses struct {
	needed  fdSet       // what the child works with
	named   fdSet       // all numbers that are needed or mentioned
	moved   []numberUse // files that lose their number before their turn, and the action whose turn it is
	numbers []numberUse // what was given as a number, to be checked
	table   fdTable     // after the actions
	slots   slotPlan    // where files with high numbers are found
	reopen  fdSet       // files that are to be opened anew
	top     int         // above all numbers that may hold a file
}

// numberUse is a descriptor of this process that an action uses.
type numberUse struct{ fd, action int }

// analyse follows the actions. files has the descriptor of each actFile, and
// maybe one more, that of a Landlock ruleset; tty is that of the terminal, or -1.
// These two are used after all actions.
func (u *fdUses) analyse(actions []plan.Action, files []int, tty int) error {
	for n := range 3 {
		u.need(n)
	}
	if u.slots.first != 0 {
		for n := u.slots.first; n <= u.slots.last(); n++ {
			u.named.add(n)
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
			u.file(t, files[i], i)
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
	if tty >= 0 {
		u.file(t, tty, len(actions))
	}
	if len(files) > len(actions) {
		u.file(t, files[len(actions)], len(actions)+1)
	}
	return nil
}

// name notes that an action mentions x.fd.
func (u *fdUses) name(x *plan.Action) {
	u.named.add(x.FD)
	if x.Kind != plan.ActClose && x.Kind != plan.ActCloseFrom {
		u.top = max(u.top, x.FD+1)
	}
}

// file notes that action i uses file fd of this process.
func (u *fdUses) file(t *fdTable, fd, i int) {
	if slices.Contains(u.slots.files, fd) || u.reopen.has(fd) {
		return
	}
	u.need(fd)
	if o, _ := t.origin(fd); o == fromParent {
		return
	}
	if !slices.ContainsFunc(u.moved, func(m numberUse) bool { return m.fd == fd }) {
		u.moved = append(u.moved, numberUse{fd, i})
	}
}

func (u *fdUses) need(n int) {
	u.needed.add(n)
	u.named.add(n)
	u.top = max(u.top, n+1)
}
