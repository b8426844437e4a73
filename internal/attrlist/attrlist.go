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
	fallback = plan.Attributes.Fallback.(func(attr.List, *plan.ForkExec) error)
)

// Check validates all attributes and finds contradictions among them.
func Check(l attr.List, c *plan.Claims) error { return check(l, c) }

// Lower adds the steps of all attributes to p. They were checked before.
func Lower(l attr.List, p *plan.Plan) { lower(l, p) }

// Fallback asks os.StartProcess for all attributes. They were checked before.
func Fallback(l attr.List, f *plan.ForkExec) error { return fallback(l, f) }
