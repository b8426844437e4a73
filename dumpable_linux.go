package spawn

import (
	"context"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// dumpable keeps this process's dumpable flag over children that change their
// ids: they clear it, because the flag belongs to the memory that they share.
// See PR_SET_DUMPABLE(2const).
//
// While it is cleared the files in /proc of all that share the memory are root's. So
// where this process is not root, children whose files are to be written are not on
// their way to execve together with children that change their ids. Which of them
// come first is decided by the order of their starts.
var dumpable dumpableFlag

type dumpableFlag struct {
	mu    sync.Mutex
	now   [2]int // children that write files, that change ids
	queue []*dumpableWaiter
	old   int // the flag before the first that changes ids
}

// dumpableUse is what a child does with regard to the flag.
type dumpableUse struct{ writes, changes bool }

// dumpableWaiter is a start that has to wait.
type dumpableWaiter struct {
	dumpableUse
	ready chan struct{} // closed when it has begun
}

// dumpableWait bounds the wait: a child that is held up before execve must not hold
// up others for good. They then find out what they may do.
const dumpableWait = time.Second

// begin says that a child is about to be made.
func (d *dumpableFlag) begin(ctx context.Context, u dumpableUse) {
	d.mu.Lock()
	if os.Geteuid() == 0 || len(d.queue) == 0 && !d.excludes(u) {
		d.count(u)
		d.mu.Unlock()
		return
	}
	w := &dumpableWaiter{u, make(chan struct{})}
	d.queue = append(d.queue, w)
	d.mu.Unlock()
	timer := time.NewTimer(dumpableWait)
	defer timer.Stop()
	select {
	case <-w.ready:
		return
	case <-timer.C:
	case <-ctx.Done():
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if i := slices.Index(d.queue, w); i >= 0 {
		d.queue = slices.Delete(d.queue, i, i+1)
		d.count(u)
		d.admit()
	}
}

// end says that the child is past execve or dead. The flag is restored after the
// last that has changed ids, not earlier: until then a process with fewer privileges
// shares our memory.
func (d *dumpableFlag) end(u dumpableUse) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if u.writes {
		d.now[0]--
	}
	if u.changes {
		d.now[1]--
		if d.now[1] == 0 && d.old == 1 && getDumpable() != 1 {
			_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		}
	}
	d.admit()
}

func (d *dumpableFlag) excludes(u dumpableUse) bool {
	return u.writes && d.now[1] > 0 || u.changes && d.now[0] > 0
}

func (d *dumpableFlag) count(u dumpableUse) {
	if u.writes {
		d.now[0]++
	}
	if u.changes {
		if d.now[1] == 0 {
			d.old = getDumpable()
		}
		d.now[1]++
	}
}

// admit lets those begin that wait for nothing any more.
func (d *dumpableFlag) admit() {
	for len(d.queue) > 0 && !d.excludes(d.queue[0].dumpableUse) {
		d.count(d.queue[0].dumpableUse)
		close(d.queue[0].ready)
		d.queue = slices.Delete(d.queue, 0, 1)
	}
}

func getDumpable() int {
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		return -1
	}
	return v
}
