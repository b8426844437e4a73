package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Rlimit sets a resource limit, one for each resource. Resource is an RLIMIT_*
// number; the units are those of getrlimit(2), and ^uint64(0) is no limit. What
// raises a limit happens before credentials are dropped, what lowers it after
// the file actions. Raising Hard needs CAP_SYS_RESOURCE.
type Rlimit struct {
	Resource   int
	Soft, Hard uint64
}

// NoFile is the limit of open files, as Rlimit with RLIMIT_NOFILE. Without it
// the child gets the limit that this process was started with, unless somebody
// has changed it since: Go raises the soft limit for itself only.
type NoFile struct{ Soft, Hard uint64 }

const rlimitNoFile = 7

func (r Rlimit) check(c *plan.Claims) error { return r.claim(c, "attr.Rlimit") }

func (r Rlimit) claim(c *plan.Claims, by string) error {
	name := fmt.Sprintf("rlimit %d", r.Resource)
	if r.Resource < 0 || r.Resource > 15 {
		return invalid("rlimit", name, "no such resource")
	}
	if r.Soft > r.Hard {
		return invalid("rlimit", name, "soft limit %d over hard limit %d", r.Soft, r.Hard)
	}
	return c.Claim(name, by)
}

func (r Rlimit) lower(p *plan.Plan) {
	object := fmt.Sprintf("%d soft=%d hard=%d", r.Resource, r.Soft, r.Hard)
	soft, hard, ok := currentLimit(r.Resource)
	if ok && (r.Soft > soft || r.Hard > hard) {
		p.Step("rlimit", object)
		r.set(p, plan.Raise, max(r.Soft, soft), max(r.Hard, hard))
		if r.Soft >= soft && r.Hard >= hard {
			return
		}
	}
	p.Step("rlimit", object)
	r.set(p, plan.Lower, r.Soft, r.Hard)
}

func (r Rlimit) set(p *plan.Plan, ph plan.Phase, soft, hard uint64) {
	p.Call(ph, raw.Prlimit64, raw.Int(0), raw.Int(int64(r.Resource)), p.Builder().Words(soft, hard), raw.Int(0))
}

func (Rlimit) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.Rlimit") }

func (n NoFile) rlimit() Rlimit { return Rlimit{rlimitNoFile, n.Soft, n.Hard} }

func (n NoFile) check(c *plan.Claims) error { return n.rlimit().claim(c, "attr.NoFile") }

func (n NoFile) lower(p *plan.Plan) { n.rlimit().lower(p) }

func (NoFile) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.NoFile") }
