package spawn

import (
	"slices"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/plan"
)

// Applied says what became of an attribute of attr.Optional.
type Applied struct {
	// Attr is the attribute that attr.Optional was given, and Index its position in
	// Spec.Attr.
	Attr  attr.Attr
	Index int
	// Step is the name of the attribute's step. If Done is false, it is the step that has
	// failed. If the attribute has no step of its own, it is StepAttr.
	Step string
	// Done says that the child has the attribute.
	Done bool
	// Err is an *Error, as Start would return it if the attribute were not optional. If
	// Done is true, it is nil.
	Err error
}

// Applied says what became of the attributes of attr.Optional, in their order in Spec.Attr.
// Other attributes are not in the list: the child has them all, or Start would have failed.
// Nil means that no attribute is optional. The result is about this child alone, and is
// always the same, also after the end of the child. The slice is yours.
//
// The program may be running already. With attr.StartSuspended it is not.
func (p *Process) Applied() []Applied {
	if p.optionals == nil {
		return nil
	}
	return p.optionals.outcomes(p.child.refused())
}

// optionals are the optional attributes of a Program.
type optionals struct {
	path    string
	list    []Applied     // as of a child that has them all
	lacking []*plan.Error // what no child has
}

// findOptionals finds the optional attributes of a list.
func (p *Program) findOptionals(list attr.List) {
	for i, a := range list {
		inner, ok := attrlist.Optional(a)
		if !ok {
			continue
		}
		if p.optionals == nil {
			p.optionals = &optionals{path: p.path, lacking: p.lacking()}
		}
		p.optionals.list = append(p.optionals.list, Applied{inner, i, p.stepOf(i), true, nil})
	}
}

// outcomes are the optional attributes of a child that lacks more of them.
func (o *optionals) outcomes(refused []*plan.Error) []Applied {
	list := slices.Clone(o.list)
	for _, errs := range [][]*plan.Error{o.lacking, refused} {
		for _, e := range errs {
			i := slices.IndexFunc(list, func(a Applied) bool { return a.Index == e.Index })
			list[i].Step, list[i].Done, list[i].Err = e.Step, false, wrap(o.path, e)
		}
	}
	return list
}
