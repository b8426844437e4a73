package spawn

import (
	"sync"

	"golang.org/x/sys/unix"
)

// dumpable keeps this process's dumpable flag over children that change their
// ids: they clear it, because the flag belongs to the memory that they share.
// See PR_SET_DUMPABLE(2const).
var dumpable dumpableFlag

type dumpableFlag struct {
	mu       sync.Mutex
	inFlight int // children that have changed ids, or will, and have not exec'd
	total    int // all there ever were
	old      int
}

func (d *dumpableFlag) hold() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inFlight == 0 {
		d.old = getDumpable()
	}
	d.inFlight++
	d.total++
}

// release restores the flag after the last child, not earlier: until then a
// process with fewer privileges shares our memory.
func (d *dumpableFlag) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.inFlight--
	if d.inFlight == 0 && d.old == 1 && getDumpable() != 1 {
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	}
}

// count is how many such children there have been, and -1 while there are any.
func (d *dumpableFlag) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inFlight > 0 {
		return -1
	}
	return d.total
}

func getDumpable() int {
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return -1
	}
	return v
}
