// Package attr holds the attributes of a child process: what posix_spawnattr_t
// holds, and what programs like setpriv, chrt, prlimit and nohup set before they
// exec. Each is a plain value; a Spec takes a [List] of them.
//
// The order in a list does not matter. The order in which the child sets them is
// fixed, and described in the documentation of package spawn. An attribute given
// twice and two that contradict each other are errors of Compile.
//
// Attributes work on linux/amd64 and linux/arm64. Elsewhere, and with the build
// tag spawn_forkexec, those that say "any Unix" work through package os and the
// others are errors that match [errors.ErrUnsupported]. An error of the system
// names the step that failed and the attribute's index in the list; where it is
// sure that the kernel does not have something, it says what, and matches
// errors.ErrUnsupported, too.
package attr

import (
	"errors"

	"github.com/safespawn/spawn/internal/plan"
)

// Attr is an attribute. The interface is sealed: its implementations are the
// types of this package.
type Attr interface {
	// check validates the value and claims what only one attribute may decide.
	check(c *plan.Claims) error
	// lower adds the child's steps to p.
	lower(p *plan.Plan)
}

// List is the attributes of a child.
type List []Attr

// at gives an error of an attribute its index.
func at(i int, err error) error {
	var e *plan.Error
	if errors.As(err, &e) {
		e.Index = i
		return e
	}
	return plan.AttrError(plan.StepAttr, i, "", err)
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
