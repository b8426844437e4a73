package attr

import (
	"fmt"
	"math"
	"os"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// DetachTTY makes the child give up its controlling terminal, which must be its
// descriptor 0 once the file actions are done. It comes before
// [ControllingTTY] and [ControllingFD]. After [Setsid] it has none to give up,
// unless a file action has opened one without O_NOCTTY. See TIOCNOTTY(2const).
type DetachTTY struct{}

// ControllingTTY makes the terminal File the controlling terminal of the child.
// It needs [Setsid]. File stays the caller's, who may close it once Start has
// returned, and the child does not inherit it unless a file action says so.
// It must not be the controlling terminal of another session. Any Unix where
// the file is also a descriptor of the child. See TIOCSCTTY(2const).
type ControllingTTY struct{ File *os.File }

// ControllingFD makes a descriptor of the child its controlling terminal, as
// [ControllingTTY] does with a file: FD is its number once the file actions are
// done, which must have put a file there, or 0, 1 or 2. Steal takes the terminal
// from another session; it needs CAP_SYS_ADMIN after the credentials, and changes
// nothing without. It needs [Setsid], and excludes ControllingTTY. See
// TIOCSCTTY(2const).
type ControllingFD struct {
	FD    int
	Steal bool
}

// Foreground makes the child's process group the one in the foreground of the
// terminal File, which must be the controlling terminal of the session. It needs
// [Setpgid] and comes right after it, before the file actions; compare
// FileActions.Tcsetpgrp. It excludes [Setsid], after which there is no terminal.
// File stays the caller's, who may close it once Start has returned, and the child
// does not inherit it unless a file action says so. See tcsetpgrp(3).
type Foreground struct{ File *os.File }

const (
	tiocnotty   = 0x5422
	terminalUse = "the controlling terminal"
)

func (DetachTTY) check(c *plan.Claims) error { return c.Claim("detaching", "attr.DetachTTY") }

func (DetachTTY) lower(p *plan.Plan) {
	p.Step(plan.StepNoctty, "")
	p.Call(plan.Terminal, raw.Ioctl, raw.Int(0), raw.Int(tiocnotty), raw.Int(0))
}

// needSession is for what only the leader of a session can do, which a child is
// by Setsid alone.
func needSession(c *plan.Claims, by string) {
	c.Bar(newGroup, by, "", "the child has to lead a session")
	c.Need(newSession, by, "", "attr.Setsid")
}

func (t ControllingTTY) check(c *plan.Claims) error {
	if t.File == nil {
		return invalid(plan.StepCtty, "", "nil file")
	}
	needSession(c, "attr.ControllingTTY")
	return c.Claim(terminalUse, "attr.ControllingTTY")
}

func (t ControllingTTY) lower(p *plan.Plan) { p.SetTTY(t.File) }

func (t ControllingTTY) fallback(f *plan.ForkExec) error {
	f.TTY = t.File
	return nil
}

func (t ControllingFD) check(c *plan.Claims) error {
	if t.FD < 0 || t.FD > math.MaxInt32 {
		return invalid(plan.StepCtty, fmt.Sprint(t.FD), "out of range")
	}
	needSession(c, "attr.ControllingFD")
	return c.Claim(terminalUse, "attr.ControllingFD")
}

func (t ControllingFD) lower(p *plan.Plan) { p.SetTTYNumber(t.FD, t.Steal) }

func (f Foreground) check(c *plan.Claims) error {
	if f.File == nil {
		return invalid(plan.StepForeground, "", "nil file")
	}
	c.Need(newGroup, "attr.Foreground", "", "attr.Setpgid")
	return c.Claim(theForeground, "attr.Foreground")
}

func (f Foreground) lower(p *plan.Plan) { p.SetForeground(f.File) }
