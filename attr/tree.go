package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// inTree makes the child in a tree. Tree.Attr of package spawn makes it.
type inTree struct{ *plan.Tree }

const treeAttr = "Tree.Attr"

func (t inTree) check(c *plan.Claims) error {
	if t.Tree == nil {
		return invalid(plan.StepTree, "", "nil tree")
	}
	return c.Claim(theCgroup, treeAttr)
}

func (t inTree) lower(p *plan.Plan) {
	if t.PIDNamespace != nil {
		p.SetPIDNamespace("the tree's", t.PIDNamespace)
	}
	if t.Cgroup != nil {
		p.SetCgroup(t.Cgroup)
		if p.Claims().Has(theGuardian) {
			p.SetGuard(t.Guard)
		}
		return
	}
	if c := p.Claims(); c.Has(newGroup) || c.Has(newSession) {
		p.Leads = true // by another attribute
		return
	}
	Setpgid{}.lower(p)
}

func (t inTree) fallback(f *plan.ForkExec) error {
	if t.PIDNamespace != nil {
		return &UnsupportedError{What: "a pid namespace that exists", Since: plan.Engine}
	}
	f.Cgroup, f.Job = t.Cgroup, t.Job
	f.LeadsGroup = t.Cgroup == nil // a job is signalled by groups, too
	return nil
}

// treeOf is the tree of a child, nil where it is in none, and the attribute's index.
func treeOf(l List) (*plan.Tree, int) {
	for i, a := range l {
		if t, ok := a.(inTree); ok {
			return t.Tree, i
		}
	}
	return nil, -1
}

// checkTree finds a child that is to be in another process group than its own, where its
// own is what holds the tree.
func checkTree(l List) error {
	t, _ := treeOf(l)
	if t == nil || t.Cgroup != nil || t.Job != nil {
		return nil
	}
	for i, a := range l {
		if g, ok := a.(Setpgid); ok && g.Pgid != 0 {
			return at(i, invalid(plan.StepSetpgid, fmt.Sprint(g.Pgid), "process groups of their own hold the children of the tree"))
		}
	}
	return nil
}
