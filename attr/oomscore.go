package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// OOMScoreAdj adjusts how likely the kernel is to kill the child when memory runs
// out, from -1000 (never) to 1000 (first). The child writes the value to
// /proc/self/oom_score_adj before its root directory and its credentials change, so
// /proc must be there.
//
// Privilege: CAP_SYS_RESOURCE, for a value below the last one that was set with
// CAP_SYS_RESOURCE. Without it the error is EACCES. See proc_pid_oom_score_adj(5).
type OOMScoreAdj int

const maxOOMScoreAdj = 1000

func (o OOMScoreAdj) check(c *plan.Claims) error {
	if o < -maxOOMScoreAdj || o > maxOOMScoreAdj {
		return invalid(plan.StepOOMScoreAdj, fmt.Sprint(int(o)), "out of range")
	}
	return c.Claim("the OOM score adjustment", "attr.OOMScoreAdj")
}

func (o OOMScoreAdj) lower(p *plan.Plan) {
	p.OOMScore = true
	text := fmt.Sprint(int(o))
	fd := p.Builder().Var()
	p.Step(plan.StepOOMScoreAdj, text)
	p.OpenProc(plan.HostFiles, "/proc/self/oom_score_adj").Keep(fd)
	p.WriteProc(plan.HostFiles, fd, text)
}
