package attr

import (
	"fmt"
	"math"
	"os"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Setsid makes the child the leader of a new session and process group, without
// a controlling terminal. It excludes [Setpgid]. Any Unix. See setsid(2).
type Setsid struct{}

// Setpgid moves the child to the process group Pgid, which must be in the same
// session; 0 makes it the leader of a new one. It excludes [Setsid]. In a new pid
// namespace there is no group but its own. Any Unix. See setpgid(2).
type Setpgid struct{ Pgid int }

// ControllingTTY makes the terminal File the controlling terminal of the child.
// It needs [Setsid]. File stays the caller's, who may close it once Start has
// returned, and the child does not inherit it unless a file action says so.
// It must not be the controlling terminal of another session. Any Unix where
// the file is also a descriptor of the child. See TIOCSCTTY(2const).
type ControllingTTY struct{ File *os.File }

const (
	session       = "the session"
	newSession    = "a new session"
	newGroup      = "a process group"
	theForeground = "the foreground"
)

// needSession is for what only the leader of a session can do, which a child is
// by Setsid alone.
func needSession(c *plan.Claims, by string) {
	c.Bar(newGroup, by, "", "the child has to lead a session")
	c.Need(newSession, by, "attr.Setsid")
}

func (Setsid) check(c *plan.Claims) error {
	return claimAll(c, "attr.Setsid", session, theForeground, newSession)
}

func (Setsid) lower(p *plan.Plan) {
	p.Step("setsid", "")
	p.Call(plan.Session, raw.Setsid)
}

func (Setsid) fallback(f *plan.ForkExec) error {
	f.Setsid = true
	return nil
}

func (s Setpgid) check(c *plan.Claims) error {
	if s.Pgid < 0 || s.Pgid > math.MaxInt32 {
		return invalid("setpgid", fmt.Sprint(s.Pgid), "out of range")
	}
	if s.Pgid > 1 { // 1 is the child
		c.Bar(newPIDs, "attr.Setpgid", "", "the group is not in the new pid namespace")
	}
	return claimAll(c, "attr.Setpgid", session, newGroup)
}

func (s Setpgid) lower(p *plan.Plan) {
	p.Step("setpgid", fmt.Sprint(s.Pgid))
	p.Call(plan.Session, raw.Setpgid, raw.Int(0), raw.Int(int64(s.Pgid)))
}

func (s Setpgid) fallback(f *plan.ForkExec) error {
	f.Setpgid, f.Pgid = true, s.Pgid
	return nil
}

func (t ControllingTTY) check(c *plan.Claims) error {
	if t.File == nil {
		return invalid("ctty", "", "nil file")
	}
	needSession(c, "attr.ControllingTTY")
	return c.Claim(terminalUse, "attr.ControllingTTY")
}

func (t ControllingTTY) lower(p *plan.Plan) { p.SetTTY(t.File) }

func (t ControllingTTY) fallback(f *plan.ForkExec) error {
	f.TTY = t.File
	return nil
}
