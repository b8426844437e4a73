package attr

import (
	"errors"
	"fmt"
	"reflect"

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
	plan.Attributes.Optional = optionalOf
}

// checkList validates all attributes and finds contradictions among them.
func checkList(l List, c *plan.Claims) error {
	for i, a := range l {
		if err := checkOwn(a); err != nil {
			return at(i, err)
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
	for i, a := range l {
		if d, ok := a.(dying); ok {
			return d.checkDying(l, i, c)
		}
	}
	return nil
}

// dying is an attribute that ends the child with this process, of which a list has one. How
// it does so depends on the others. A program that has no such attribute is linked without
// what that takes.
type dying interface {
	checkDying(l List, i int, c *plan.Claims) error
}

// checkOwn wants a value of a type of this package. A pointer to an attribute, and a type that
// embeds one, have its methods, too, but the rest of the module finds attributes by their
// types.
func checkOwn(a Attr) error {
	switch {
	case a == nil:
		return invalid(plan.StepAttr, "", "nil attribute")
	case reflect.TypeOf(a).PkgPath() != ownPackage:
		return invalid(plan.StepAttr, fmt.Sprintf("%T", a), "not a value of a type of package attr")
	}
	return nil
}

var ownPackage = reflect.TypeFor[List]().PkgPath()

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

// fallbackList asks os.StartProcess for all attributes, and returns why optional ones are
// not set.
func fallbackList(l List, f *plan.ForkExec) (lacking []*plan.Error, err error) {
	for i, a := range l {
		inner, spare := optionalOf(a)
		err := fallbackOf(inner, f)
		switch {
		case err == nil:
		case spare && errors.Is(err, errors.ErrUnsupported):
			lacking = append(lacking, at(i, err))
		default:
			return nil, at(i, err)
		}
	}
	if f.LeadsGroup && !f.Setsid {
		f.Setpgid = true
	}
	return lacking, nil
}

func fallbackOf(a Attr, f *plan.ForkExec) error {
	if w, ok := a.(withFallback); ok {
		return w.fallback(f)
	}
	return &UnsupportedError{What: fmt.Sprintf("%T", a), Since: plan.Engine}
}
