package tree

import (
	"fmt"
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/cgroup"
)

// Leader is the one child of a tree of package exec, which is reaped by [Tree.Reap].
type Leader struct {
	tree   *Tree
	child  Child
	leads  bool // a process group, whose id is its pid
	reaped bool // the pid may be anybody's
}

// Add tells the tree of its one child, and whether that leads a process group.
func (t *Tree) Add(c Child, leads bool) *Leader {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := &Leader{tree: t, child: c, leads: leads}
	t.members = append(t.members, l)
	return l
}

// send sends to the child, and to the group that it leads.
func (l *Leader) send(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	if l.leads && s != syscall.SIGKILL {
		return l.signalGroup(s)
	}
	err := os.ErrProcessDone
	if !l.gone() {
		err = l.child.Signal(s)
	}
	return first([]error{err, l.signalGroup(s)})
}

// SignalGroup sends to the process group, if it is the child's.
func (l *Leader) SignalGroup(sig syscall.Signal) error {
	l.tree.mu.Lock()
	defer l.tree.mu.Unlock()
	return l.signalGroup(sig)
}

// Reap kills what is left and calls f, which reaps the one child of the tree. When it
// returns, nothing of the tree is alive, unless the kernel takes too long over it.
func (t *Tree) Reap(l *Leader, f func() error) error {
	_ = t.KillNow() // all there is to know is that nothing is left
	t.mu.Lock()
	err := f()
	l.reaped = true
	t.mu.Unlock()
	var left error
	if t.held() { // which has the group, too
		left = t.holder.End(goneTime)
	} else {
		left = l.end()
	}
	t.mu.Lock()
	t.left = left
	t.mu.Unlock()
	return err
}

// end waits for those of the process group who were killed.
func (l *Leader) end() error {
	if !l.leads || cgroup.Await(goneTime, func() bool { return !GroupAlive(l.child.Pid()) }) {
		return nil
	}
	return fmt.Errorf("process group %d has processes that don't end: %w", l.child.Pid(), syscall.EBUSY)
}

// Alive is whether there is anybody in the group.
func (l *Leader) Alive() (n int, known bool) {
	if l.gone() || !l.leads {
		return 0, false
	}
	n, known = countGroup(l.child.Pid())
	return min(n, 1), known
}

// Close has nothing to let go of.
func (l *Leader) Close() {}
