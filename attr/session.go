package attr

import (
	"fmt"
	"math"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Setsid makes the child the leader of a new session and of a new process group,
// without a controlling terminal. It excludes [Setpgid]. Any Unix. See setsid(2).
type Setsid struct{}

// Setpgid moves the child to the process group Pgid, which must be in the same
// session. 0 makes the child the leader of a new group. In a new pid namespace the
// child's own group is the only one. It excludes [Setsid]. Any Unix; on Windows, with a Pgid
// of 0, a process group of the console. See setpgid(2).
type Setpgid struct{ Pgid int }

const (
	session       = "the session"
	newSession    = "a new session"
	newGroup      = "a process group"
	theForeground = "the foreground"
)

func (Setsid) check(c *plan.Claims) error {
	return claimAll(c, "attr.Setsid", session, theForeground, newSession)
}

func (Setsid) lower(p *plan.Plan) {
	p.Step(plan.StepSetsid, "")
	p.Call(plan.Session, raw.Setsid)
	p.Leads = true
}

func (Setsid) fallback(f *plan.ForkExec) error {
	f.Setsid = true
	return nil
}

func (s Setpgid) check(c *plan.Claims) error {
	if s.Pgid < 0 || s.Pgid > math.MaxInt32 {
		return invalid(plan.StepSetpgid, fmt.Sprint(s.Pgid), "out of range")
	}
	if s.Pgid > 1 { // 1 is the child
		c.Bar(newPIDs, "attr.Setpgid", "", "the group is not in the new pid namespace")
	}
	return claimAll(c, "attr.Setpgid", session, newGroup)
}

func (s Setpgid) lower(p *plan.Plan) {
	p.Step(plan.StepSetpgid, fmt.Sprint(s.Pgid))
	p.Call(plan.Session, raw.Setpgid, raw.Int(0), raw.Int(int64(s.Pgid)))
	p.Leads = s.Pgid == 0
}

func (s Setpgid) fallback(f *plan.ForkExec) error {
	f.Setpgid, f.Pgid = true, s.Pgid
	return nil
}
