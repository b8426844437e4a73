// Package attrlist is what package attr does with a list of attributes for the rest
// of this module, and does not show in its reference.
package attrlist

import (
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
)

// Package attr has filled these in: it was initialised before.
var (
	check    = plan.Attributes.Check.(func(attr.List, *plan.Claims) error)
	lower    = plan.Attributes.Lower.(func(attr.List, *plan.Plan))
	fallback = plan.Attributes.Fallback.(func(attr.List, *plan.ForkExec) ([]*plan.Error, error))
	inTree   = plan.Attributes.InTree.(func(*plan.Tree) attr.Attr)
	treeOf   = plan.Attributes.TreeOf.(func(attr.List) (*plan.Tree, int))
	optional = plan.Attributes.Optional.(func(attr.Attr) (attr.Attr, bool))
)

// Check validates all attributes and finds contradictions among them.
func Check(l attr.List, c *plan.Claims) error { return check(l, c) }

// Lower adds the steps of all attributes to p. They were checked before.
func Lower(l attr.List, p *plan.Plan) { lower(l, p) }

// Fallback asks os.StartProcess for all attributes. They were checked before. lacking says
// why optional ones are not set.
func Fallback(l attr.List, f *plan.ForkExec) (lacking []*plan.Error, err error) {
	return fallback(l, f)
}

// Optional is the attribute that attr.Optional was given, or a itself, and whether a is
// optional.
func Optional(a attr.Attr) (inner attr.Attr, ok bool) { return optional(a) }

// InTree is the attribute of a child in a tree.
func InTree(t *plan.Tree) attr.Attr { return inTree(t) }

// TreeOf is the tree of InTree, nil where there is none in a list, and the attribute's
// index.
func TreeOf(l attr.List) (t *plan.Tree, index int) { return treeOf(l) }
