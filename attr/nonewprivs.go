package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// NoNewPrivs sets no_new_privs, for good: execve then grants no privilege by
// set-user-ID bits or file capabilities. Linux 3.5. See
// PR_SET_NO_NEW_PRIVS(2const).
type NoNewPrivs struct{}

const prSetNoNewPrivs = 38

func (NoNewPrivs) check(c *plan.Claims) error {
	claims := []string{noNewPrivs}
	if c.Optional {
		claims = append(claims, unsureNoNewPrivs)
	}
	return claimAll(c, "attr.NoNewPrivs", claims...)
}

func (NoNewPrivs) lower(p *plan.Plan) {
	p.Step(plan.StepNoNewPrivs, "")
	p.Call(plan.NoNewPrivs, raw.Prctl, raw.Int(prSetNoNewPrivs), raw.Int(1), raw.Int(0), raw.Int(0), raw.Int(0))
}
