package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Nice sets the nice value, from -20, most favourable, to 19. The value is
// absolute, not an increment. The child sets it before credentials are dropped. It
// has no effect on programs with a real-time policy or SchedIdle; see
// [SchedPolicy].
//
// Privilege: for a value below the current one, CAP_SYS_NICE or RLIMIT_NICE. See
// setpriority(2).
type Nice int

const prioProcess = 0

func (n Nice) check(c *plan.Claims) error {
	if n < -20 || n > 19 {
		return invalid(plan.StepNice, fmt.Sprint(int(n)), "out of range")
	}
	return c.Claim("the nice value", "attr.Nice")
}

func (n Nice) lower(p *plan.Plan) {
	p.Step(plan.StepNice, fmt.Sprint(int(n)))
	p.Call(plan.Raise, raw.Setpriority, raw.Int(prioProcess), raw.Int(0), raw.Int(int64(n)))
}
