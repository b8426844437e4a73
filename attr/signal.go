package attr

import (
	"syscall"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SigMask is the set of signals that are blocked when the program starts.
// SigMask{} blocks none; SIGKILL and SIGSTOP can't be blocked, and the kernel leaves
// them out. Without the attribute the child gets the mask that the calling thread
// had before the spawn, which in Go is the one the process was started with. It is
// set right before [Seccomp] and execve, or after execve with [Ptrace] and
// [StartSuspended]. See sigprocmask(2).
type SigMask []syscall.Signal

// SigDefault is the set of signals that are reset to their default action.
//
// Without the attribute every signal has its default action in the child, save
// those in [SigIgnore]: a clean slate, also where this process ignores some.
// With it the child is as os/exec makes it, but for the signals listed here: what
// package os/signal has been told to ignore stays ignored, and what was ignored
// when this process was started, as by nohup(1), for SIGHUP, SIGINT, SIGCONT,
// SIGTSTP, SIGTTIN and SIGTTOU. SigDefault{} therefore inherits these. What C code
// ignores is reset, as is a SIGPIPE that was ignored at the start; only the last
// four are inherited whoever ignores them.
//
// Handlers never survive execve. Where no C code has been called, an action that
// Go code changes by a system call of its own after the first spawn is seen for
// SIGHUP, SIGINT, SIGPIPE and SIGCHLD; other signals must be listed to be reset. Any
// Unix, when empty. See sigaction(2).
type SigDefault []syscall.Signal

// SigIgnore is the set of signals that the child ignores. See sigaction(2).
type SigIgnore []syscall.Signal

const (
	sigDfl = 0
	sigIgn = 1

	sigsetBytes = plan.LastSignal / 8
	sigSetmask  = 2
)

func (s SigMask) check(c *plan.Claims) error {
	for _, sig := range s {
		if sig < 1 || sig > plan.LastSignal {
			return invalid("sigmask", signalName(sig), "no such signal")
		}
	}
	return c.Claim(plan.SignalMask, "attr.SigMask")
}

func (s SigMask) lower(p *plan.Plan) {
	var set uint64
	for _, sig := range s {
		set |= 1 << (sig - 1)
	}
	if p.Claims().Has(plan.Tracer) {
		p.Blocked = set
		return
	}
	p.Step("sigmask", "")
	p.Call(plan.Mask, raw.RtSigprocmask, raw.Int(sigSetmask), p.Builder().Words(set), raw.Int(0), raw.Int(sigsetBytes))
}

func (s SigDefault) check(c *plan.Claims) error {
	if err := c.Claim(plan.InheritedSignals, "attr.SigDefault"); err != nil {
		return err
	}
	return claimSignals(c, s, "sigdefault", "attr.SigDefault")
}

func (s SigDefault) lower(p *plan.Plan) { setActions(p, s, "sigdefault", sigDfl) }

func (s SigDefault) fallback(*plan.ForkExec) error {
	if len(s) == 0 {
		return nil
	}
	return plan.Unsupported("attr.SigDefault with signals")
}

func (s SigIgnore) check(c *plan.Claims) error {
	if err := c.Claim("ignored signals", "attr.SigIgnore"); err != nil {
		return err
	}
	return claimSignals(c, s, "sigignore", "attr.SigIgnore")
}

func (s SigIgnore) lower(p *plan.Plan) { setActions(p, s, "sigignore", sigIgn) }

func claimSignals(c *plan.Claims, sigs []syscall.Signal, step, by string) error {
	for _, sig := range sigs {
		if sig < 1 || sig > plan.LastSignal {
			return invalid(step, signalName(sig), "no such signal")
		}
		if sig == syscall.SIGKILL || sig == 19 {
			return invalid(step, signalName(sig), "the action of this signal can't be changed")
		}
		if err := c.Claim(signalName(sig), by); err != nil {
			return err
		}
	}
	return nil
}

// setActions gives signals an action. struct sigaction of the kernel is four
// words here: handler, flags, restorer, mask.
func setActions(p *plan.Plan, sigs []syscall.Signal, step string, handler uint64) {
	if len(sigs) == 0 {
		return
	}
	act := p.Builder().Words(handler, 0, 0, 0)
	for _, sig := range sigs {
		p.Step(step, signalName(sig))
		p.Call(plan.Signals, raw.RtSigaction, raw.Int(int64(sig)), act, raw.Int(0), raw.Int(sigsetBytes))
	}
}

func signalName(sig syscall.Signal) string { return names.Signal(sig) }
