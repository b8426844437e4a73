// Package tree holds a child of this process and its descendants together: by a control
// group where one can be made, else by the child's process group.
package tree

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/cgroup"
)

// goneTime is how long a killed process may take to be gone.
const goneTime = 2 * time.Second

// Child is a child as its tree needs it. What it is asked for comes from its pidfd,
// where it has one.
type Child interface {
	Pid() int
	Kill() error
	WithPidfd(f func(fd uintptr) error) error
}

// Tree is children and the processes that they have made.
type Tree struct {
	cgroup *cgroup.Group // nil where none could be made
	loose  error         // why

	mu      sync.Mutex
	leaders []*leader
	left    error // what could not be ended, or removed
}

// leader is a child in a tree.
type leader struct {
	Child
	group  bool // it leads a process group, whose id is its pid
	reaped bool // the pid may be anybody's
}

// New makes a tree with a control group of its own. Where none can be made, the tree is
// one Without.
func New() *Tree {
	g, err := cgroup.New()
	if err != nil {
		return Without(err)
	}
	return &Tree{cgroup: g}
}

// Without makes a tree without a control group.
func Without(why error) *Tree { return &Tree{loose: why} }

// Loose is why the tree has no control group; nil where it has one.
func (t *Tree) Loose() error { return t.loose }

// Left is what could not be ended or removed.
func (t *Tree) Left() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left
}

// Dir is the directory of the control group in which a child must be made; nil where
// there is none.
func (t *Tree) Dir() *os.File {
	if t.cgroup == nil {
		return nil
	}
	return t.cgroup.Dir()
}

// Add tells the tree of a child that was made in its control group, and whether it leads
// a process group. The directory of a tree that is garbage is removed when its processes
// have ended.
func (t *Tree) Add(c Child, group bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.cgroup != nil && len(t.leaders) == 0 {
		runtime.AddCleanup(t, (*cgroup.Group).Abandon, t.cgroup)
	}
	t.leaders = append(t.leaders, &leader{Child: c, group: group})
}

// Discard is for a tree that has got no child.
func (t *Tree) Discard() {
	if t.cgroup != nil {
		_ = t.cgroup.Remove() // it was not used, and the caller knows more
	}
}

// Populated reports whether there is a process in the control group.
func (t *Tree) Populated() bool { return t.cgroup != nil && !t.cgroup.Empty() }

// Kill kills all that is left of the tree. The error is os.ErrProcessDone where there is
// nothing.
func (t *Tree) Kill() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	held := t.killCgroup()
	errs := []error{held}
	for _, l := range t.leaders {
		err := os.ErrProcessDone
		if !l.gone() {
			err = l.Kill()
		}
		errs = append(errs, err, l.signalGroup(unix.SIGKILL))
	}
	if held == nil {
		return nil // whatever ids they have
	}
	return first(errs)
}

// first is the first error that says more than that there was nobody; nil where somebody
// got a signal, else os.ErrProcessDone.
func first(errs []error) error {
	some := os.ErrProcessDone
	for _, err := range errs {
		switch {
		case err == nil:
			some = nil
		case !errors.Is(err, os.ErrProcessDone):
			return err
		}
	}
	return some
}

func (t *Tree) killCgroup() error {
	if t.cgroup == nil {
		return os.ErrProcessDone
	}
	some, err := t.cgroup.KillAll()
	if !some && err == nil || errors.Is(err, os.ErrClosed) {
		return os.ErrProcessDone
	}
	return err
}

// SignalGroups sends to the process groups that children of the tree lead.
func (t *Tree) SignalGroups(sig unix.Signal) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var errs []error
	for _, l := range t.leaders {
		errs = append(errs, l.signalGroup(sig))
	}
	return first(errs)
}

// Reap kills what is left and calls f, which reaps the one child of the tree. When it
// returns, nothing of the tree is alive, unless the kernel takes too long over it.
func (t *Tree) Reap(f func() error) error {
	_ = t.Kill() // all there is to know is that nothing is left
	t.mu.Lock()
	err := f()
	for _, l := range t.leaders {
		l.reaped = true
	}
	t.mu.Unlock()
	left := t.end()
	t.mu.Lock()
	t.left = left
	t.mu.Unlock()
	return err
}

// end waits for those who were killed, and removes the control group.
func (t *Tree) end() (left error) {
	for _, l := range t.leaders {
		if l.group && !cgroup.Await(goneTime, func() bool { return !GroupAlive(l.Pid()) }) {
			left = errors.Join(left, fmt.Errorf("process group %d has processes that don't end: %w", l.Pid(), unix.EBUSY))
		}
	}
	if t.cgroup != nil {
		left = errors.Join(left, t.cgroup.End(goneTime))
	}
	return left
}
