package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// OOMScoreAdj is how much sooner, or later where it is negative, the kernel kills
// the child than others when memory runs out: from -1000, never, to 1000. The
// child writes it to /proc/self/oom_score_adj, before root directory and
// credentials change, so /proc must be there. A value below the last one that
// was set with CAP_SYS_RESOURCE needs that, else the error is EACCES. Linux
// 2.6.36. See proc_pid_oom_score_adj(5).
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
