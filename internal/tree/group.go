package tree

import (
	"os"
	"syscall"
)

// Group is a child that leads a process group, as a member of a tree.
type Group struct {
	pid   int
	pidfd *pidfd // nil where there is none by which the group can be known
	byPID func(sig syscall.Signal) error
}

// NewGroup makes a member of a child that nobody has reaped. byPID sends to the process
// group whose id is the child's pid. It returns os.ErrProcessDone where the child may have
// been reaped, because the id may be another's then.
func NewGroup(c interface {
	Pid() int
	WithPidfd(f func(fd uintptr) error) error
}, byPID func(sig syscall.Signal) error) *Group {
	return &Group{c.Pid(), keep(c.WithPidfd), byPID}
}

// keep is keepPidfd. Tests replace it.
var keep = keepPidfd

// NoPidfdForTest has no group be known by a pidfd, as before Linux 6.9, until the function
// that it returns is called.
func NoPidfdForTest() (restore func()) {
	keep = func(func(func(uintptr) error) error) *pidfd { return nil }
	return func() { keep = keepPidfd }
}

// HasPidfd reports whether the group is known by a pidfd, and not by byPID alone.
func (g *Group) HasPidfd() bool { return g.pidfd != nil }

// send sends to the group.
func (g *Group) send(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	if ok, err := g.pidfd.signalGroup(s); ok {
		return err
	}
	return g.byPID(s)
}

// Alive is how many processes of the group are no zombies.
func (g *Group) Alive() (n int, known bool) {
	known, err := g.pidfd.signalGroup(0)
	if !known {
		err = g.byPID(0)
		known = err != os.ErrProcessDone
	}
	if err == os.ErrProcessDone {
		return 0, known
	}
	if n, known = countGroup(g.pid); !known && g.pidfd.runs() {
		return 1, true
	}
	return n, known
}

// Close lets go of what the group is known by.
func (g *Group) Close() { g.pidfd.close() }
