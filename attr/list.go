package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// What a list comes to is the business of this module alone; internal/attrlist
// calls these functions by way of plan.
func init() {
	plan.Attributes.Check = checkList
	plan.Attributes.Lower = lowerList
	plan.Attributes.Fallback = fallbackList
	plan.Attributes.InTree = func(t *plan.Tree) Attr { return inTree{t} }
	plan.Attributes.TreeOf = treeOf
}

// checkList validates all attributes and finds contradictions among them.
func checkList(l List, c *plan.Claims) error {
	for i, a := range l {
		if a == nil {
			return plan.AttrError(plan.StepAttr, i, "", plan.Invalid("nil attribute"))
		}
		c.Attr(i)
		if err := a.check(c); err != nil {
			return at(i, ofClaims(err))
		}
	}
	if err := c.Unmet(); err != nil {
		return ofClaims(err)
	}
	if err := checkTree(l); err != nil {
		return err
	}
	guarded, err := checkDying(l, c)
	if err != nil || guarded {
		return err
	}
	return checkDeathSignal(l)
}

// lowerList adds the steps of all attributes to p.
func lowerList(l List, p *plan.Plan) {
	for i, a := range l {
		p.Attr(i)
		a.lower(p)
	}
	p.Attr(-1)
}

// withFallback is an attribute that os.StartProcess can set, too.
type withFallback interface {
	fallback(f *plan.ForkExec) error
}

// fallbackList asks os.StartProcess for all attributes.
func fallbackList(l List, f *plan.ForkExec) error {
	for i, a := range l {
		var err error = &UnsupportedError{What: fmt.Sprintf("%T", a), Since: plan.Engine}
		if w, ok := a.(withFallback); ok {
			err = w.fallback(f)
		}
		if err != nil {
			return at(i, err)
		}
	}
	if f.LeadsGroup && !f.Setsid {
		f.Setpgid = true
	}
	return nil
}
