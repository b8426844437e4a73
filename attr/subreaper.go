package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// ChildSubreaper makes the child the parent of orphans among its descendants. The
// child then has to wait for them. The setting lasts over execve, and the child's
// own children do not inherit it. The first process of a pid namespace is such a
// parent anyway. Linux 3.4. See PR_SET_CHILD_SUBREAPER(2const).
type ChildSubreaper struct{}

const prSetChildSubreaper = 36

func (ChildSubreaper) check(c *plan.Claims) error {
	return c.Claim("the subreaper", "attr.ChildSubreaper")
}

func (ChildSubreaper) lower(p *plan.Plan) {
	zero := raw.Int(0)
	p.Step(plan.StepSubreaper, "")
	p.Call(plan.Lower, raw.Prctl, raw.Int(prSetChildSubreaper), raw.Int(1), zero, zero, zero)
}
