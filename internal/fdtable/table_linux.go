//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Table is what has to be seen to at each start, so that the child finds the
// descriptors that its calls expect.
type Table struct {
	numbers []numberUse // must be open
	top     int         // above all descriptors that are named
	named   Set         // these; only where something is lent
	lent    []lent
	spans   []span
	vars    vars
	slots   []int // files that are put on slots
	reopen  Set   // those of them that are opened anew for it
}

// vars are set at each start.
type vars struct {
	unshare raw.Var // flags of the first close_range
	high    raw.Var // above all descriptors that were open before the clone; only without close_range
	dir     raw.Var // the directory of descriptors; the same
	errFD   raw.Var // failure record's descriptor; only without shared memory
	slot    raw.Var // first slot; only with files that are on slots
	gate    raw.Var // where the child waits for its id maps; only with these
	above   raw.Var // above all that is needed, where something is lent
}

// result is what Lower returns. It shares no memory with f, which is used again.
func (f *Lowering) result() Table {
	t := Table{numbers: f.numbers, top: f.top, lent: f.lent, spans: f.spans, vars: f.vars, slots: f.slots.files}
	if len(t.lent) > 0 {
		t.named = slices.Clone(f.named)
	}
	if len(t.slots) > 0 {
		t.reopen = f.reopen
	}
	return t
}

// Check finds descriptors that are not open.
func (t *Table) Check(actions []plan.Action) error {
	for _, u := range t.numbers {
		if _, err := unix.FcntlInt(uintptr(u.fd), unix.F_GETFD, 0); err != nil {
			return actions[u.action].ErrorAt(u.action, err)
		}
	}
	return nil
}

// Flags are the clone flags that the first calls need, whose variables it sets.
func (t *Table) Flags(r *raw.Run) (flags uint64) {
	if t.vars.high != 0 {
		r.Set(t.vars.high, uint64(max(tableSize(), t.top)))
		r.Set(t.vars.dir, noFD)
		if onTableSize != nil {
			onTableSize()
		}
	}
	if t.vars.unshare != 0 {
		flags |= unix.CLONE_FILES
		r.Set(t.vars.unshare, unix.CLOSE_RANGE_UNSHARE)
	}
	return flags
}

// Shared reports whether Flags has CLONE_FILES: the first call makes the table the
// child's own.
func (t *Table) Shared() bool { return t.vars.unshare != 0 }

// tableSize is above all open descriptors of the calling thread: the kernel's own
// size of the table, or else the limit.
func tableSize() int {
	if n, ok := kernel.Number("/proc/thread-self/status", "FDSize"); ok && n > 0 {
		return n
	}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err == nil && l.Max < 1<<20 {
		return int(l.Max)
	}
	return 1 << 20
}

// Lend makes the descriptors of files that are lent, which are to be closed once the
// child is past execve or dead, also where an error is returned.
func (t *Table) Lend(r *raw.Run, actions []plan.Action) (fds []int, err error) {
	for i := range t.lent {
		l := &t.lent[i]
		if l.fd < 0 {
			continue
		}
		fd, err := l.open()
		if err == nil {
			fd, err = t.Unnamed(fd)
		}
		if err != nil {
			return fds, l.failed(actions, err)
		}
		fds = append(fds, fd)
		r.Set(l.v, uint64(fd))
	}
	return fds, nil
}

// open duplicates the file, or opens it anew.
func (l *lent) open() (int, error) {
	if l.reopen {
		return highfd.DupBlocking(l.fd)
	}
	return highfd.Dup(l.fd)
}

func (l *lent) failed(actions []plan.Action, err error) error {
	if l.action >= 0 {
		return actions[l.action].ErrorAt(l.action, err)
	}
	return plan.StartError(plan.StepFileTable, err)
}

// Unnamed moves a descriptor of the library's own to a number that no action names.
// It closes fd when it fails.
func (t *Table) Unnamed(fd int) (int, error) {
	if !t.named.Has(fd) {
		return fd, nil
	}
	defer unix.Close(fd)
	for least := highfd.Least; ; {
		n, err := highfd.DupFrom(fd, least)
		if err == unix.EINVAL {
			err = unix.EMFILE // least is the limit
		}
		if err != nil || !t.named.Has(n) {
			return n, err
		}
		unix.Close(n)
		least = n + 1
	}
}

// SetRecord tells the child where the pipe of the failure record is.
func (t *Table) SetRecord(r *raw.Run, fd int) { r.Set(t.vars.errFD, uint64(fd)) }

// Record is the number of that pipe, as an argument.
func (t *Table) Record() raw.Arg { return raw.VarArg(t.vars.errFD, 0) }

// SetLent tells the child where all is that is lent, when that is known.
func (t *Table) SetLent(r *raw.Run) {
	if len(t.spans) == 0 && t.vars.above == 0 {
		return
	}
	var at []int
	for _, l := range t.lent {
		at = append(at, int(r.Get(l.v)))
	}
	slices.Sort(at)
	t.setLent(r, at)
}

// setLent sets what depends on where all is that is lent, in ascending order.
func (t *Table) setLent(r interface {
	Set(v raw.Var, x uint64)
	Get(v raw.Var) uint64
}, lent []int) {
	high := LastFD
	if v := t.vars.high; v != 0 {
		high = max(int(r.Get(v)), lent[len(lent)-1])
		r.Set(v, uint64(high))
	}
	if v := t.vars.above; v != 0 {
		r.Set(v, uint64(max(t.top, lent[len(lent)-1]+1)))
	}
	for _, s := range t.spans {
		s.set(r, lent, high)
	}
}

// VarName says what a variable holds, if it is one of the table's.
func (t *Table) VarName(v raw.Var) string {
	switch v {
	case 0:
		return ""
	case t.vars.unshare:
		return "CLOSE_RANGE_UNSHARE"
	case t.vars.high:
		return "beyond the last fd"
	case t.vars.dir:
		return "fd of the directory of fds"
	case t.vars.errFD:
		return "error fd"
	case t.vars.above:
		return "above all fds"
	case t.vars.slot:
		return "slot"
	}
	if slices.ContainsFunc(t.lent, func(l lent) bool { return l.v == v }) {
		return "fd"
	}
	if slices.ContainsFunc(t.spans, func(s span) bool { return v >= s.first && int(v-s.first) < 2*(len(t.lent)+1) }) {
		return "next to fd"
	}
	return ""
}

// CheckLimit finds descriptors that can't be because of RLIMIT_NOFILE. That 0, 1 or 2
// can't be is for the child to find.
func CheckLimit(actions []plan.Action) error {
	limit := 0
	for i := range actions {
		x := &actions[i]
		if x.FD < highfd.Least || !x.Changes() && x.Kind != plan.ActDup2 {
			continue
		}
		if limit == 0 {
			limit = highfd.Limit()
		}
		if x.FD >= limit {
			return x.ErrorAt(i, plan.Invalid("descriptor %d is out of range, RLIMIT_NOFILE is %d", x.FD, limit))
		}
	}
	return nil
}
