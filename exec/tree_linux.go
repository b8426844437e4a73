//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"context"
	"errors"
	"io"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/logs"
	"github.com/safespawn/spawn/internal/plan"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// tree is a child and the processes that it has made.
type tree struct {
	held  *spawntree.Tree
	lead  *spawntree.Leader
	proc  *spawn.Process
	group bool      // the child leads a process group
	tty   *terminal // lent to the child; nil if it has none
}

// maxRefusals bounds how many control groups of one tree may vanish before the
// child is in it: somebody may take a new one for a leftover.
const maxRefusals = 5

// startTree is spawn.Start for a child that is to be kept together with what it
// makes.
func (c *Cmd) startTree(ctx context.Context, s *spawn.Spec) (*spawn.Process, *tree, error) {
	list := s.Attr
	t := &tree{held: newTree(list)}
	for refusals := 0; ; refusals++ {
		loose := t.held.Loose()
		if loose != nil && c.TreeStrict {
			return nil, nil, &spawn.Error{Path: s.Path, Part: spawn.PartStart, Step: spawn.StepTree, Index: -1, Err: notHeld(loose)}
		}
		s.Attr = t.join(list, c.Stdin)
		proc, err := spawn.Start(ctx, s)
		if err == nil {
			t.tty.begun(proc.Pid())
			t.started(proc, c.Logger)
			return proc, t, nil
		}
		t.tty.begun(0)
		t.tty.takeBack()
		t.held.Discard()
		if loose != nil || !refused(err) {
			return nil, nil, err
		}
		if errors.Is(err, unix.ENODEV) && refusals < maxRefusals {
			t.held = newTree(list)
		} else {
			t.held = spawntree.Without(err)
		}
	}
}

// started notes the child. A Cmd that nobody waits for leaves no directory
// behind once its processes have ended.
func (t *tree) started(proc *spawn.Process, log spawn.Logger) {
	t.proc = proc
	t.lead = t.held.Add(proc, t.group)
	if t.held.Loose() != nil {
		t.logLoose(proc.Pid(), logs.Used(log))
	}
}

// newTree makes a tree for a child with attributes.
func newTree(list attr.List) *spawntree.Tree {
	if in, _ := attrlist.TreeOf(list); in != nil || hasType[attr.Cgroup](list) {
		return spawntree.Without(errors.New("the child is put into another control group, by Attr or SysProcAttr"))
	}
	if hasType[attr.DieWithParent](list) {
		return spawntree.NewToDie()
	}
	return spawntree.New()
}

// refused reports whether the tree's control group is why a start failed.
func refused(err error) bool {
	var e *spawn.Error
	return errors.As(err, &e) && e.Step == spawn.StepCgroup
}

// join is a list of attributes with those of a tree.
func (t *tree) join(list attr.List, stdin io.Reader) attr.List {
	list = slices.Clip(list)
	// Whoever asks for another group than the child's own has none to be killed.
	i := slices.IndexFunc(list, func(a attr.Attr) bool { _, ok := a.(attr.Setpgid); return ok })
	switch {
	case i >= 0:
		t.group = list[i].(attr.Setpgid).Pgid == 0
	case hasType[attr.Setsid](list):
		t.group = true
	default:
		// From another group than the one in the foreground the child could not
		// read the terminal. In a control group it needs none of its own.
		if t.group = t.held.Dir() == nil || !onTerminal(); t.group {
			list = append(list, attr.Setpgid{})
		}
		if t.held.Dir() == nil {
			t.tty = foregroundOf(stdin)
		}
		if t.tty != nil {
			list = append(list, attr.Foreground{File: t.tty.file})
		} else if t.held.Dir() == nil {
			t.tty = controlling()
		}
	}
	switch dir := t.held.Dir(); {
	case dir == nil:
		return list
	case hasType[attr.DieWithParent](list):
		return append(list, attrlist.InTree(&plan.Tree{Cgroup: dir, Guard: t.held.Guard()}))
	}
	return append(list, attr.Cgroup{Dir: t.held.Dir()})
}

// release gives back the terminal.
func (t *tree) release() { t.tty.takeBack() }

// onTerminal reports whether this process has a controlling terminal.
func onTerminal() bool {
	fields, err := kernel.Stat("thread-self")
	return err == nil && string(fields[4]) != "0"
}
