//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"context"
	"errors"
	"slices"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/logs"
	"github.com/safespawn/spawn/internal/plan"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// tree is a child and the processes that it has made.
type tree struct {
	held *spawntree.Tree
	lead *spawntree.Leader
	member
}

var errOwnCgroup = errors.New("the child is put into another control group, by Attr or SysProcAttr")

// startTree is handover.Start for a child that is to be kept together with what it makes.
func (c *Cmd) startTree(ctx context.Context, s *spawn.Spec, o *handover.Option) (*tree, error) {
	held := spawntree.Without(errOwnCgroup)
	if in, _ := attrlist.TreeOf(s.Attr); in == nil && !usesCgroup(o.Sys) && !hasType[attr.Cgroup](s.Attr) {
		held = spawntree.New()
	}
	list := s.Attr
	for {
		t := &tree{held: held}
		leads := t.join(s, list, c)
		loose := t.held.Loose()
		if loose != nil && c.TreeStrict {
			return nil, &spawn.Error{Path: s.Path, Part: spawn.PartStart, Step: spawn.StepTree, Index: -1, Err: notHeld(loose)}
		}
		_, err := handover.Start(ctx, s, o)
		if err == nil {
			t.member = newMember(o.Process)
			t.lead = t.held.Add(t.member, leads)
			if loose != nil {
				t.logLoose(o.Process.Pid, logs.Used(c.Logger))
			}
			return t, nil
		}
		var why error
		if loose == nil && ctx.Err() == nil {
			why = tryHolder(t.held)
		}
		t.held.Discard()
		if why == nil {
			return nil, err
		}
		held = spawntree.Without(why)
	}
}

// join adds to a list of attributes those of a tree, and reports whether the child then
// leads a process group.
func (t *tree) join(s *spawn.Spec, list attr.List, c *Cmd) (leads bool) {
	s.Attr = slices.Clip(list)
	i := slices.IndexFunc(list, func(a attr.Attr) bool { _, ok := a.(attr.Setpgid); return ok })
	switch {
	case i >= 0:
		leads = list[i].(attr.Setpgid).Pgid == 0
	case hasType[attr.Setsid](list):
		leads = true
	default:
		if leads = t.grouped(c.Stdin); leads {
			s.Attr = append(s.Attr, attr.Setpgid{})
		}
	}
	if t.held.Loose() == nil {
		s.Attr = append(s.Attr, attrlist.InTree(&plan.Tree{Cgroup: t.held.Dir(), Job: t.held.Job()}))
	}
	return leads && forkexec.SeesEnd
}
