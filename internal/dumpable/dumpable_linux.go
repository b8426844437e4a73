// Package dumpable keeps the dumpable flag of this process over children that share
// its memory.
package dumpable

import (
	"context"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
)

// own keeps this process's dumpable flag over children that others may reach
// who may not reach this process: for these the flag is cleared, because who may
// trace the child may read and write the memory that they share, and the flag
// belongs to the memory. See PR_SET_DUMPABLE(2const) and docs/security.md.
//
// While it is cleared the files in /proc of all that share the memory are root's. So
// where this process is not root, children whose files are to be written are not on
// their way to execve together with children for which it is cleared. Which of them
// come first is decided by the order of their starts; but while one waits for a child
// that is older, which may take long, others that need not wait for that pass it.
var own flag

type flag struct {
	mu       sync.Mutex
	active   []*Hold
	queue    []*Hold
	begun    uint64 // how many starts there have been
	changes  int    // those of active for which the flag is cleared
	old      int    // the flag before the first of changes
	owed     bool   // changes is 0, and the flag not restored yet
	settling bool   // a goroutine waits to do so
	moved    bool   // this process has changed its own ids meanwhile
}

// Use is what a start does with regard to the flag.
type Use struct {
	Files   bool // the child writes files of its own in /proc
	Maps    bool // this process opens files of the child's in /proc
	Changes bool // the flag is cleared before the child's execve
	Early   bool // and before clone, where that is possible
}

func (u Use) writes() bool { return u.Files || u.Maps }

func (u Use) conflicts(o Use) bool {
	return u.writes() && o.Changes || u.Changes && o.writes()
}

// Hold is a start between Begin and End.
type Hold struct {
	Use
	number uint64 // in the order of starts
	root   bool
	ids    []int // nil: End is on another thread
	old    int
	ready  chan struct{} // closed when it has begun
	err    error
}

// tries bounds how often a call that fails is tried.
const tries = 3

// Begin says that a child is about to be made, and waits for others where it has
// to. A start for which the flag does not matter has no hold.
func Begin(ctx context.Context, u Use) (*Hold, error) {
	h, err := own.begin(ctx, u)
	if errno, ok := err.(syscall.Errno); ok {
		return nil, plan.StartError(plan.StepDumpable, errno)
	}
	return h, err
}

func (d *flag) begin(ctx context.Context, u Use) (*Hold, error) {
	if u == (Use{}) {
		return nil, nil
	}
	h := &Hold{Use: u, root: unix.Geteuid() == 0, ids: ownIDs()}
	d.mu.Lock()
	d.begun++
	h.number = d.begun
	if h.root || d.admits(h, d.queue) {
		defer d.mu.Unlock()
		return h, d.count(h)
	}
	h.ready = make(chan struct{})
	d.queue = append(d.queue, h)
	d.mu.Unlock()
	select {
	case <-h.ready:
		return h, h.err
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.queue, h); i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
	} else if h.err == nil {
		d.uncount(h)
	}
	d.admit()
	return nil, ctx.Err()
}

// End says that the child is past execve or dead. The flag is restored after the
// last for which it is cleared, not earlier: until then our memory is shared with
// somebody whom others may reach.
func (h *Hold) End() {
	if h == nil {
		return
	}
	d := &own
	d.mu.Lock()
	defer d.mu.Unlock()
	d.uncount(h)
	d.admit()
}

// admits reports whether h may begin, with others that have been waiting for longer.
func (d *flag) admits(h *Hold, waiting []*Hold) bool {
	return !d.excludes(h, d.begun+1) && !slices.ContainsFunc(waiting, func(w *Hold) bool {
		return h.conflicts(w.Use) && !d.excludes(w, w.number)
	})
}

// excludes reports whether h has to wait for a start before that of a number.
func (d *flag) excludes(h *Hold, before uint64) bool {
	return d.settling && h.writes() || slices.ContainsFunc(d.active, func(o *Hold) bool {
		return o.number < before && h.conflicts(o.Use)
	})
}

func (d *flag) count(h *Hold) error {
	if h.Changes {
		if d.changes == 0 && !d.owed {
			old, err := getDumpable()
			if err != nil {
				return err
			}
			d.old = old
		}
		if h.Early && (h.root || !h.writes()) {
			if err := d.clear(); err != nil {
				return err
			}
		}
		d.changes++
		d.owed = false
		h.old = d.old
	}
	d.active = append(d.active, h)
	return nil
}

func (d *flag) uncount(h *Hold) {
	i := slices.Index(d.active, h)
	d.active = slices.Delete(d.active, i, i+1)
	if !h.Changes {
		return
	}
	d.changes--
	d.moved = d.moved || h.ids != nil && !slices.Equal(ownIDs(), h.ids)
	if d.changes == 0 {
		d.owed = true
		d.settle()
	}
}

// admit lets those begin that wait for nothing any more.
func (d *flag) admit() {
	for i := 0; i < len(d.queue); {
		h := d.queue[i]
		if !d.admits(h, d.queue[:i]) {
			i++
			continue
		}
		h.err = d.count(h)
		close(h.ready)
		d.queue = slices.Delete(d.queue, i, i+1)
	}
}

// settle restores the flag. A child of package os/exec may share our memory, too,
// with other ids than ours. Who holds ForkLock for reading knows that there is none.
func (d *flag) settle() {
	if syscall.ForkLock.TryRLock() {
		d.restore()
		syscall.ForkLock.RUnlock()
	} else if !d.settling {
		d.settling = true
		go d.settleLater()
	}
}

func (d *flag) settleLater() {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settling = false
	if d.owed {
		d.restore()
	}
	d.admit()
}

// restore puts the flag back to what it was, but not to 1 where somebody has done
// that, or where the kernel has cleared it because this process has changed its own
// ids. A value of 2 is what the kernel clears it to where fs.suid_dumpable is 2; it
// can't be set.
func (d *flag) restore() {
	d.owed = false
	if d.moved {
		d.moved = false
		return
	}
	for range tries {
		v, err := getDumpable()
		if err == nil && (d.old == 1 && v != 1 || d.old == 0 && v == 2) {
			err = setDumpable(d.old)
		}
		if err == nil {
			return
		}
	}
	d.owed = true // so that the next one tries again
}

// clear clears the flag; one that is 2 is no less.
func (d *flag) clear() (err error) {
	if d.old == 2 {
		return nil
	}
	for range tries {
		if err = setDumpable(0); err == nil {
			return nil
		}
	}
	return err
}

// Set is SetDumpable of package spawn.
func Set(on bool) error { return own.set(on) }

func (d *flag) set(on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := 0
	if on {
		v = 1
	}
	if d.changes == 0 && !d.owed {
		return setDumpable(v)
	}
	if !on {
		if err := setDumpable(0); err != nil {
			return err
		}
	}
	d.old, d.moved = v, false
	return nil
}

func getDumpable() (v int, err error) {
	for range tries {
		if v, err = unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil {
			return v, nil
		}
	}
	return 0, err
}

func setDumpable(v int) error { return unix.Prctl(unix.PR_SET_DUMPABLE, uintptr(v), 0, 0, 0) }

// ownIDs are the ids of the calling thread, which are the process's unless a
// goroutine is locked to it.
func ownIDs() []int {
	r, e, s := unix.Getresuid()
	rg, eg, sg := unix.Getresgid()
	return []int{r, e, s, rg, eg, sg}
}

// Opened says that this process has opened what it needs of the child's files in
// /proc, so that others may go on, and clears the flag if it had to wait for that.
func (h *Hold) Opened() error {
	if h == nil || !h.Maps {
		return nil
	}
	d := &own
	d.mu.Lock()
	defer d.mu.Unlock()
	if h.Early && !h.root && !h.Files {
		if err := d.clear(); err != nil {
			return plan.StartError(plan.StepDumpable, err)
		}
	}
	h.Maps = false
	d.admit()
	return nil
}

// Old is the flag as it was before the first of the children for which it is cleared.
func (h *Hold) Old() int { return h.old }

// LeaveThread says that End will be called on another thread than Begin.
func (h *Hold) LeaveThread() {
	if h != nil {
		h.ids = nil
	}
}
