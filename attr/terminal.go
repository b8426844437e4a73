package attr

import (
	"os"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// DetachTTY makes the child give up its controlling terminal. The terminal must be
// descriptor 0 of the child once the file actions are done. It comes before
// [ControllingTTY]. After [Setsid] the child has no terminal to give up, unless a
// file action has opened one without O_NOCTTY. See TIOCNOTTY(2const).
type DetachTTY struct{}

// ControllingTTY makes a terminal the controlling terminal of the child. It needs
// [Setsid], and comes after the file actions. You set either File or FD; see
// [Descriptor].
//
// If another session has the terminal, the error is EPERM.
//
// Any Unix, if File is also a descriptor of the child and Steal is not set.
// Privilege: CAP_SYS_ADMIN after the credentials have changed, to steal a terminal.
// See TIOCSCTTY(2const).
type ControllingTTY struct {
	// File is the terminal. It stays yours; you may close it once Start has returned.
	// The child does not inherit it, unless a file action says so.
	File *os.File
	// FD is the terminal's number in the child once the file actions are done. An
	// action must have put a file there, unless FD is 0, 1 or 2.
	FD Descriptor
	// Steal takes the terminal from another session, which loses it.
	Steal bool
}

// Foreground makes the child's process group the foreground process group of a
// terminal, which must be the controlling terminal of the session. It needs
// [Setpgid] and comes right after it, before the file actions; compare
// FileActions.Tcsetpgrp. It excludes [Setsid], because a new session has no
// terminal. See tcsetpgrp(3).
type Foreground struct {
	// File is the terminal, or FD is its number in this process; see [Descriptor].
	// Either stays yours; you may close it once Start has returned. The child does
	// not inherit it, unless a file action says so.
	File *os.File
	FD   Descriptor
}

const tiocnotty = 0x5422

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
	if err := checkFile(plan.StepCtty, t.File, t.FD); err != nil {
		return err
	}
	needSession(c, "attr.ControllingTTY")
	return c.Claim("the controlling terminal", "attr.ControllingTTY")
}

func (t ControllingTTY) lower(p *plan.Plan) {
	if t.File == nil {
		p.SetTTYNumber(t.FD.number, t.Steal)
		return
	}
	p.SetTTY(t.File, t.Steal)
}

func (t ControllingTTY) fallback(f *plan.ForkExec) error {
	switch {
	case t.File == nil:
		return &UnsupportedError{What: "attr.ControllingTTY with FD", Since: plan.Engine}
	case t.Steal:
		return &UnsupportedError{What: "attr.ControllingTTY with Steal", Since: plan.Engine}
	}
	f.TTY = t.File
	return nil
}

func (f Foreground) check(c *plan.Claims) error {
	if err := checkFile(plan.StepForeground, f.File, f.FD); err != nil {
		return err
	}
	c.Need(newGroup, "attr.Foreground", "", "attr.Setpgid")
	return c.Claim(theForeground, "attr.Foreground")
}

func (f Foreground) lower(p *plan.Plan) { p.SetForeground(f.File, f.FD.number) }
