package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// OOMScoreAdj is how much sooner, or later where it is negative, the kernel kills
// the child than others when memory runs out: from -1000, never, to 1000. The
// child writes it to /proc/self/oom_score_adj, before root directory and
// credentials change, so /proc must be there. A value below the last one that
// was set with CAP_SYS_RESOURCE needs that, else the error is EACCES. Linux
// 2.6.36. See proc_pid_oom_score_adj(5).
type OOMScoreAdj int

const (
	maxOOMScoreAdj = 1000

	atFdcwd  = -100
	oWronly  = 0x1
	oCloexec = 0x80000

	// While another child is changing its ids the file is root's. About 0.15 s.
	eAcces        = 13
	accessRetries = 1000
)

func (o OOMScoreAdj) check(c *plan.Claims) error {
	if o < -maxOOMScoreAdj || o > maxOOMScoreAdj {
		return invalid("oom_score_adj", fmt.Sprint(int(o)), "out of range")
	}
	return c.Claim("the OOM score adjustment", "attr.OOMScoreAdj")
}

func (o OOMScoreAdj) lower(p *plan.Plan) {
	b, text := p.Builder(), fmt.Sprint(int(o))
	fd := b.Var()
	p.Step("oom_score_adj", text)
	p.Call(plan.HostFiles, raw.Openat, raw.Int(atFdcwd), b.String("/proc/self/oom_score_adj"),
		raw.Int(oWronly|oCloexec), raw.Int(0)).Keep(fd).Retry(eAcces, accessRetries)
	p.Call(plan.HostFiles, raw.Write, raw.VarArg(fd, 0), b.String(text), raw.Int(int64(len(text))))
	p.Call(plan.HostFiles, raw.Close, raw.VarArg(fd, 0))
}

func (OOMScoreAdj) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.OOMScoreAdj") }
