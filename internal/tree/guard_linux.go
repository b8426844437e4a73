//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/pidns"
)

// guard keeps the guardian of a tree, if it is asked for one.
type guard struct {
	mu    sync.Mutex
	now   *pidns.Guard
	ended bool
}

// end ends the guardian.
func (g *guard) end() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended = true
	if g.now != nil {
		g.now.Close()
		g.now = nil
	}
}

// alive reports whether there is a guardian.
func (g *guard) alive() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now != nil && g.now.Alive()
}

// keep has a guardian live that kills the group when this process has ended. It is in the
// group itself if inside is set.
func (g *guard) keep(group *cgroup.Group, inside bool) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended {
		return ErrClosed
	}
	if g.now != nil && g.now.Alive() {
		return nil
	}
	return g.renew(group, inside)
}

// renew makes another guardian. The caller holds g.mu.
func (g *guard) renew(group *cgroup.Group, inside bool) error {
	return group.WithKill(func(dir, kill int) (err error) {
		if !inside {
			dir = -1
		}
		now, err := pidns.NewGuard(kill, dir)
		if err != nil {
			return err
		}
		if g.now != nil {
			g.now.Close()
		}
		g.now = now
		return nil
	})
}

// Guard is to be called before each child that is to end with this process: it has the
// tree's guardian live. It is nil where there can't be one.
func (t *Tree) Guard() func() error {
	group, ok := t.holder.(*cgroup.Group)
	switch {
	case !ok || !group.CanKill():
		return nil
	case t.dying:
		return KeepDying
	}
	return func() error { return t.guard.keep(group, false) }
}

// dying is the control group of those that end with this process. It is made at first use,
// and has a guardian, which is in it.
var dying struct {
	sync.Mutex
	group   *cgroup.Group
	guard   guard
	refused *pidns.Refusal
	own     string // the name of this process's group when that was found out; nothing where it is not known
}

// Dying is the directory of a control group of which all processes end when this process
// has ended. The error is a *pidns.Refusal where there can't be one.
func Dying() (*os.File, error) {
	group, err := dyingGroup()
	if err != nil {
		return nil, err
	}
	return group.Dir(), nil
}

// KeepDying has the guardian of Dying live, which somebody may have killed.
func KeepDying() error {
	dying.Lock()
	defer dying.Unlock()
	if dying.group == nil {
		return errForgotten
	}
	return dying.guard.keep(dying.group, true)
}

var errForgotten error = &pidns.Refusal{What: "another Compile, as the control group of the first is gone", Err: unix.ENODEV}

// dyingGroup is the group of Dying. If this process was moved to another group since, it may
// not be allowed to put children there any more, and what is possible is found out again.
func dyingGroup() (*cgroup.Group, error) {
	dying.Lock()
	defer dying.Unlock()
	own, err := cgroup.Name()
	moved := err == nil && own != dying.own
	switch {
	case dying.group != nil:
		err := stay(moved)
		if err == nil {
			dying.own = own
			return dying.group, nil
		}
		if !pidns.IsRefusal(err) || !forget() {
			return nil, err
		}
	case dying.refused != nil && !moved:
		return nil, dying.refused
	}
	dying.own, dying.refused = own, nil
	group, err := cgroup.New()
	if err == nil {
		err = tryGuard(group)
	}
	if err = refusal(err); err != nil {
		errors.As(err, &dying.refused)
		return nil, err
	}
	dying.group = group
	return group, nil
}

// stay has the guardian of Dying live. After a move it is another one: where that can be
// made, children can be.
func stay(moved bool) error {
	if !moved {
		return dying.guard.keep(dying.group, true)
	}
	dying.guard.mu.Lock()
	defer dying.guard.mu.Unlock()
	return dying.guard.renew(dying.group, true)
}

// forget removes the group of Dying, if nobody is in it but the guardian, and reports
// whether it has done so.
func forget() bool {
	if n := dying.group.Count(); n < 0 || n > 1 || n == 1 && !dying.guard.alive() {
		return false
	}
	dying.guard.end()
	dying.guard.ended = false
	cgroup.Await(goneTime, dying.group.Empty)
	_ = dying.group.Remove() // what is left is for another process
	dying.group = nil
	return true
}

// tryGuard makes the guardian of Dying, or removes the group.
func tryGuard(group *cgroup.Group) error {
	err := errNoKill
	if group.CanKill() {
		err = dying.guard.keep(group, true)
	}
	if err != nil {
		_ = group.Remove() // there is nobody in it
	}
	return err
}

var errNoKill error = &pidns.Refusal{What: "cgroup.kill", Since: "5.14", Err: unix.ENOENT}

// refusal is an error about a control group that lasts as a refusal.
func refusal(err error) error {
	switch {
	case err == nil || pidns.IsRefusal(err):
		return err
	case errors.Is(err, errors.ErrUnsupported), errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.EROFS):
		return &pidns.Refusal{What: "a control group of version 2 that is delegated to this process", Err: err}
	}
	return err
}

// ProbeDying is what Dying is likely to say.
func ProbeDying() error {
	dying.Lock()
	there, refused := dying.group != nil, dying.refused
	dying.Unlock()
	switch {
	case there:
		return nil
	case refused != nil:
		return refused
	}
	g, err := cgroup.NewToTry()
	if err != nil {
		return refusal(err)
	}
	defer func() { _ = g.Remove() }() // nobody is in it
	if !g.CanKill() {
		return errNoKill
	}
	procs := filepath.Join(filepath.Dir(g.Path()), "cgroup.procs")
	return refusal(unix.Faccessat(unix.AT_FDCWD, procs, unix.W_OK, unix.AT_EACCESS))
}

// NewToDie is New for processes that end with this process: where Dying has a group, that
// of the tree is below it, and no guardian is needed for it.
func NewToDie() *Tree {
	if pidns.Able() == nil {
		return New()
	}
	above, err := dyingGroup()
	if err != nil {
		return New()
	}
	g, err := cgroup.NewBelow(above)
	if err != nil {
		return New()
	}
	t := with(g)
	t.dying = true
	return t
}

// EndDyingForTest ends the guardian of Dying and all processes in its group, and forgets
// why there is none.
func EndDyingForTest() error {
	dying.Lock()
	defer dying.Unlock()
	group := dying.group
	dying.guard.end()
	dying.guard.ended = false
	dying.group, dying.refused, dying.own = nil, nil, ""
	if group == nil {
		return nil
	}
	return group.End(goneTime)
}
