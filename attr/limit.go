package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Rlimit sets a resource limit. The list may contain one for each resource.
// Resource is an RLIMIT_* number. The units are those of getrlimit(2), and
// [Unlimited] is no limit.
//
// The child raises limits before credentials are dropped, and lowers limits after
// the file actions. Privilege: CAP_SYS_RESOURCE, to raise Hard.
type Rlimit struct {
	Resource   int
	Soft, Hard uint64
}

// Unlimited is no limit, like RLIM_INFINITY.
const Unlimited = ^uint64(0)

// RlimitToHard raises the soft limit of a resource, an RLIMIT_* number, to the hard
// limit. The child itself looks the hard limit up. It excludes an [Rlimit] of the
// same resource.
//
// The child sets it before credentials are dropped. It also comes before [Nice] and
// [SchedPolicy], because limits can take the place of their privilege.
type RlimitToHard int

// NoFile sets the limit of open files, like Rlimit with RLIMIT_NOFILE. Go raises
// the soft limit for itself only. So without NoFile the child gets the limit that
// this process was started with, unless somebody has changed the limit since.
// Privilege: CAP_SYS_RESOURCE, to raise Hard.
type NoFile struct{ Soft, Hard uint64 }

// NoFilePolicy says where the limit of open files comes from. It excludes [NoFile],
// which has a value. [RlimitToHard] of RLIMIT_NOFILE is a third way.
type NoFilePolicy int

const (
	// NoFileOriginal is the limit that this process was started with, even if the
	// process has changed it since. Privilege: CAP_SYS_RESOURCE, to raise the hard
	// limit again.
	NoFileOriginal NoFilePolicy = iota
	// NoFileCurrent is the limit of this process at the time of the start, with the
	// soft limit that Go has raised for itself.
	NoFileCurrent
)

const (
	rlimitNoFile = 7
	lastResource = 15
)

func (r Rlimit) check(c *plan.Claims) error { return r.claim(c, "attr.Rlimit") }

func (r Rlimit) claim(c *plan.Claims, by string) error {
	name := names.Resource(r.Resource)
	if r.Resource < 0 || r.Resource > lastResource {
		return invalid(plan.StepRlimit, name, "no such resource")
	}
	if r.Soft > r.Hard {
		return invalid(plan.StepRlimit, name, "soft limit %d over hard limit %d", r.Soft, r.Hard)
	}
	return c.Claim(name, by)
}

func (r Rlimit) lower(p *plan.Plan) {
	object := fmt.Sprintf("%s soft=%d hard=%d", names.Resource(r.Resource), r.Soft, r.Hard)
	soft, hard, ok := currentLimit(r.Resource)
	if ok && (r.Soft > soft || r.Hard > hard) {
		p.Step(plan.StepRlimit, object)
		r.set(p, plan.RaiseLimits, max(r.Soft, soft), max(r.Hard, hard))
		if r.Soft >= soft && r.Hard >= hard {
			return
		}
	}
	p.Step(plan.StepRlimit, object)
	r.set(p, plan.Lower, r.Soft, r.Hard)
}

func (r Rlimit) set(p *plan.Plan, ph plan.Phase, soft, hard uint64) {
	p.Call(ph, raw.Prlimit64, raw.Int(0), raw.Int(int64(r.Resource)), p.Builder().Words(soft, hard), raw.Int(0))
}

func (n NoFile) rlimit() Rlimit { return Rlimit{rlimitNoFile, n.Soft, n.Hard} }

func (n NoFile) check(c *plan.Claims) error { return n.rlimit().claim(c, "attr.NoFile") }

func (n NoFile) lower(p *plan.Plan) { n.rlimit().lower(p) }

func (r RlimitToHard) check(c *plan.Claims) error { return r.claim(c, "attr.RlimitToHard") }

func (r RlimitToHard) claim(c *plan.Claims, by string) error {
	name := names.Resource(int(r))
	if r < 0 || r > lastResource {
		return invalid(plan.StepRlimit, name, "no such resource")
	}
	return c.Claim(name, by)
}

// lower reads the two words of the limit to the second and third variable, then
// to the first and second: the hard limit is then in the second and third.
func (r RlimitToHard) lower(p *plan.Plan) {
	b, zero, resource := p.Builder(), raw.Int(0), raw.Int(int64(r))
	v := b.Vars(3)
	first, second := b.AddrIn(v, 0), b.AddrIn(v, 8)
	p.Step(plan.StepRlimit, names.Resource(int(r))+" soft=hard")
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, zero, second)
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, zero, first)
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, second, zero)
}

func (n NoFilePolicy) check(c *plan.Claims) error {
	if n < NoFileOriginal || n > NoFileCurrent {
		return invalid(plan.StepRlimit, fmt.Sprint(int(n)), "no such policy")
	}
	return c.Claim(plan.NoFile, "attr.NoFilePolicy")
}

func (n NoFilePolicy) lower(p *plan.Plan) {
	if n != NoFileOriginal {
		return // with a claim to the limit the engine leaves it alone
	}
	if soft, hard, ok := originalNoFile(); ok {
		Rlimit{rlimitNoFile, soft, hard}.lower(p)
	}
}
