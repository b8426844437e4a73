// Package tree holds children of this process and their descendants together: by a control
// group, a pid namespace or a job where one can be made, else by the process groups that the
// children lead.
package tree

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/cgroup"
)

// goneTime is how long a killed process may take to be gone.
const goneTime = 2 * time.Second

// holder holds all processes of a tree, whatever they do: a control group or a pid
// namespace of Linux, or a job of Windows.
type holder interface {
	// KillAll kills all processes, and reports whether there were any.
	KillAll() (some bool, err error)
	// KillEach is KillAll of a holder in which children may be made afterwards.
	KillEach() (some bool, err error)
	// Signal sends to all processes, and reports whether there were any.
	Signal(sig syscall.Signal) (some bool, err error)
	// Count is how many processes there are, but for zombies; -1 where that is not known.
	Count() int
	Empty() bool
	// AwaitEmpty waits until there are none.
	AwaitEmpty(ctx context.Context) error
	Usage() (Usage, error)
	// OOMKills is how many processes the kernel has killed for memory; ok is false
	// where nobody counts.
	OOMKills() (n int, ok bool)
	// End kills until nobody is left, but for no longer than d, and removes the holder.
	End(d time.Duration) error
	// Remove removes a holder in which nobody is.
	Remove() error
	// Abandon removes the holder once the processes in it have ended by themselves, and
	// calls empty before.
	Abandon(empty func())
}

// Usage is what a tree has used.
type Usage = cgroup.Usage

// Member is a child of a tree whose group has to be known.
type Member interface {
	// send sends a signal to the process group that the child leads, else to the
	// child. The error is os.ErrProcessDone where there is nobody, or where the group
	// may be another's by now.
	send(sig os.Signal) error
	// Alive is how many of them are no zombies. known is false where that can't be
	// told.
	Alive() (n int, known bool)
	// Close lets go of what it is known by.
	Close()
}

// Tree is children and the processes that they have made.
type Tree struct {
	holder holder // what holds them, beside their groups; nil where nothing does
	loose  error  // why there is only the groups
	weaker error  // why it is no control group, where something weaker holds the tree
	again  bool   // children may be made in it after it was killed
	dying  bool   // its control group is below that of Dying
	guard  *guard // nil where nothing holds it

	starts  sync.RWMutex // see Starting
	mu      sync.Mutex   // after starts
	members []Member
	prune   int   // the number of members from which on those that are gone are looked for
	kills   int   // how often all were killed
	closed  bool  // no child is made in it any more
	ended   bool  // by Close
	left    error // what could not be ended, or removed
}

// Loose is why nothing but process groups holds the tree; nil where something does.
func (t *Tree) Loose() error { return t.loose }

// Weaker is why no control group holds a tree that something else holds; nil where one
// does.
func (t *Tree) Weaker() error { return t.weaker }

// Left is what could not be ended or removed.
func (t *Tree) Left() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left
}

// New makes a tree with a control group or a job of its own. Where none can be made, the
// tree is one Without.
func New() *Tree {
	h, err := newHolder(new(Limits))
	if err != nil {
		return Without(err)
	}
	return with(h)
}

// Open makes a tree with limits. Where there are none, a pid namespace will do, too.
func Open(l Limits) (*Tree, error) {
	if err := l.check(); err != nil {
		return nil, err
	}
	h, err := newHolder(&l)
	if err == nil {
		t := with(h)
		t.again = true
		return t, nil
	}
	if l.any() {
		return nil, err
	}
	if h, serr := makeSpace(); serr == nil {
		t := with(h)
		t.weaker = err
		return t, nil
	} else if !errors.Is(serr, errors.ErrUnsupported) {
		err = fmt.Errorf("%w; and a pid namespace: %w", err, serr)
	}
	if l.Strict {
		return nil, err
	}
	return Without(err), nil
}

// makeSpace is newSpace. Tests replace it.
var makeSpace = newSpace

// NoSpaceForTest has no tree be in a pid namespace until the function that it returns is
// called.
func NoSpaceForTest() (restore func()) {
	makeSpace = func() (holder, error) { return nil, errors.ErrUnsupported }
	return func() { makeSpace = newSpace }
}

// with makes a tree that something holds.
func with(h holder) *Tree {
	t := &Tree{holder: h, guard: &guard{}}
	runtime.AddCleanup(t, abandoned.abandon, abandoned{h, t.guard})
	return t
}

// abandoned is what a tree leaves that nobody knows any more.
type abandoned struct {
	holder
	*guard
}

// abandon ends the guardian once there are no processes that are to end with this one.
func (a abandoned) abandon() { a.Abandon(a.end) }

// Without makes a tree without a control group or a job.
func Without(why error) *Tree { return &Tree{loose: why} }

// ErrClosed is the error of a tree that was closed.
var ErrClosed = fmt.Errorf("spawn: the tree is closed: %w", os.ErrClosed)

// held reports whether something holds all processes, whatever they do.
func (t *Tree) held() bool { return t.holder != nil }

// Discard is for a tree that has got no child.
func (t *Tree) Discard() {
	if t.held() {
		t.guard.end()
		_ = t.holder.Remove() // it was not used, and the caller knows more
	}
}

// Populated reports whether the control group or the job has processes.
func (t *Tree) Populated() bool { return t.held() && !t.holder.Empty() }

// Usage is what the tree has used.
func (t *Tree) Usage() (Usage, error) {
	if !t.held() {
		return Usage{}, fmt.Errorf("spawn: nobody counts what a tree uses: %w", t.loose)
	}
	return t.holder.Usage()
}

// OOMKills is how many processes the kernel has killed for memory; ok is false where
// nobody counts.
func (t *Tree) OOMKills() (n int, ok bool) {
	if !t.held() {
		return 0, false
	}
	return t.holder.OOMKills()
}

// Starting says that a child is about to be made by a call that keeps a processor of the Go
// scheduler until the child is past execve: in a frozen control group that would be for
// ever, as soon as the collector waits for that processor. Until the function that it
// returns is called, the tree is neither signalled, killed nor closed.
func (t *Tree) Starting() (started func()) {
	t.starts.RLock()
	return t.starts.RUnlock
}

// Begin says that a child is about to be made in the tree. Whoever calls it passes the
// number on to Join.
func (t *Tree) Begin() (kills int, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return 0, ErrClosed
	}
	return t.kills, nil
}

// Join tells the tree of a child, if its group has to be known. A child that was on its way
// when the tree was killed is killed now.
func (t *Tree) Join(m Member, kills int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kills != kills || t.closed {
		_ = m.send(os.Kill) // it may have ended
	}
	if t.closed {
		m.Close()
		return
	}
	if len(t.members) >= t.prune {
		t.members = slices.DeleteFunc(t.members, isGone)
		t.prune = max(leastPrune, 2*len(t.members))
	}
	t.members = append(t.members, m)
}

// leastPrune is the least number of members from which on those that are gone are looked
// for.
const leastPrune = 16

// isGone lets go of a member whose processes are gone, or may not be signalled any more.
func isGone(m Member) bool {
	if m.send(syscall.Signal(0)) != os.ErrProcessDone {
		return false
	}
	m.Close()
	return true
}

// KillNow sends SIGKILL to all that is left of the tree. The error is os.ErrProcessDone
// where there is nothing.
func (t *Tree) KillNow() error {
	t.starts.Lock()
	defer t.starts.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kills++
	held := os.ErrProcessDone
	switch {
	case t.held() && t.again:
		held = done(t.holder.KillEach())
	case t.held():
		held = done(t.holder.KillAll())
	}
	groups := t.signalMembers(os.Kill)
	if held == nil {
		return nil // whatever ids they have
	}
	return first([]error{held, groups})
}

// done is os.ErrProcessDone where there was nobody.
func done(some bool, err error) error {
	if !some && err == nil || errors.Is(err, os.ErrClosed) {
		return os.ErrProcessDone
	}
	return err
}

// signalMembers sends to all members. The caller holds t.mu.
func (t *Tree) signalMembers(sig os.Signal) error {
	var errs []error
	for _, m := range t.members {
		errs = append(errs, m.send(sig))
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

// Signal sends a signal to all in the tree. The error is os.ErrProcessDone where there is
// nobody.
func (t *Tree) Signal(sig os.Signal) error {
	if sig == os.Kill {
		return t.KillNow()
	}
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	t.starts.Lock()
	defer t.starts.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.held() {
		if err := done(t.holder.Signal(s)); err != errByGroups {
			return err
		}
	}
	return t.signalMembers(s)
}

// errByGroups says that a holder can't signal what it holds.
var errByGroups = errors.New("process groups are to be signalled")

// Kill kills all that is left and waits until it is gone. left is how many are not, when
// the kernel takes too long over it, or does not let this process kill them. It is -1
// where that is not known.
func (t *Tree) Kill() (left int, err error) {
	var last error
	gone := cgroup.Await(goneTime, func() bool {
		last = t.KillNow()
		left = t.Alive()
		return left == 0 || left < 0 && (last == os.ErrProcessDone || t.lost())
	})
	sent := last == nil || errors.Is(last, os.ErrProcessDone)
	if gone || sent && left < 0 && !t.held() { // who got it may be a zombie
		return left, nil
	}
	if sent {
		last = syscall.EBUSY
	}
	return left, fmt.Errorf("spawn: killed processes of a tree don't end: %w", last)
}

// lost reports whether the processes of whom nothing is known can't be reached, either: those
// in groups whose numbers may be others' by now. There is no use in waiting for them.
func (t *Tree) lost() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.held() && !slices.ContainsFunc(t.members, func(m Member) bool {
		_, known := m.Alive()
		return !known && m.send(syscall.Signal(0)) != os.ErrProcessDone
	})
}

// Alive is how many processes of the tree are no zombies, -1 where that can't be told.
func (t *Tree) Alive() int {
	if t.held() {
		return t.holder.Count()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sum, unknown := 0, false
	for _, m := range t.members {
		n, known := m.Alive()
		sum += n
		unknown = unknown || !known
	}
	if sum == 0 && unknown {
		return -1
	}
	return sum
}

// maxPause is the longest time between two looks at groups, whose ends nobody is told of.
const maxPause = 20 * time.Millisecond

// Wait waits until nobody is left in the tree, as far as that can be told.
func (t *Tree) Wait(ctx context.Context) error {
	if t.held() {
		return t.holder.AwaitEmpty(ctx)
	}
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, maxPause) {
		if t.Alive() <= 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Shut has no child be made in the tree any more.
func (t *Tree) Shut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// Close shuts the tree, kills all that is left and gives back what holds it.
func (t *Tree) Close() error {
	t.mu.Lock()
	was := t.ended
	t.closed, t.ended = true, true
	t.mu.Unlock()
	switch {
	case was:
		return nil
	case t.held():
		t.starts.Lock()
		defer t.starts.Unlock()
		defer t.guard.end()
		return t.holder.End(goneTime)
	}
	_, err := t.Kill()
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.members {
		m.Close()
	}
	t.members = nil
	return err
}
