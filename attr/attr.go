// Package attr holds the attributes of a child process. They are those of
// posix_spawnattr_t, and those that programs like setpriv, chrt, prlimit and nohup
// set before they exec. Each attribute is a plain value. A Spec takes a [List] of
// them.
//
// The order in a list does not matter. The child sets the attributes in a fixed
// order, described in the documentation of package spawn. Compile returns a
// [ConflictError] if an attribute is given twice, or if two attributes contradict
// each other, and a [NeedError] if an attribute needs another one.
//
// Attributes work on linux/amd64, linux/arm64, linux/386, linux/arm, linux/riscv64, linux/loong64, linux/ppc64le and linux/s390x. Elsewhere, and with the build tag
// spawn_forkexec, an attribute works through package os if its comment says "Any
// Unix". Any other attribute is an error that matches [errors.ErrUnsupported].
//
// The comment of an attribute names its first Linux version, if that is later than
// 3.2, and the privilege that it needs. If the comment names no privilege, it needs
// none.
//
// If the system refuses an attribute, the error names the step and the index of the
// attribute in the list. If the kernel certainly lacks the attribute, the error
// has an [UnsupportedError], which says what is missing.
package attr

import (
	"errors"

	"github.com/safespawn/spawn/internal/plan"
)

// Attr is an attribute: a value of one of the types of this package. A pointer to an
// attribute, or a type that embeds one, is an error of Compile, which matches EINVAL.
type Attr interface {
	// check validates the value and claims what only one attribute may decide.
	check(c *plan.Claims) error
	// lower adds the child's steps to p.
	lower(p *plan.Plan)
}

// List is a list of attributes, in any order.
type List []Attr

// at gives an error of an attribute its index.
func at(i int, err error) *plan.Error {
	var e *plan.Error
	if !errors.As(err, &e) {
		e = &plan.Error{Part: plan.PartAttr, Step: plan.StepAttr, Err: err}
	}
	e.Index = i
	return e
}

// claimAll claims several things.
func claimAll(c *plan.Claims, by string, list ...string) error {
	for _, what := range list {
		if err := c.Claim(what, by); err != nil {
			return err
		}
	}
	return nil
}

// invalid is the error of a value that makes no sense.
func invalid(name, object, format string, args ...any) error {
	return plan.AttrError(name, -1, object, plan.Invalid(format, args...))
}
