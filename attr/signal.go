package attr

import (
	"strconv"
	"strings"
	"syscall"

	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SigMask sets the signals that are blocked when the program starts. An empty
// SigMask blocks none. The kernel leaves out SIGKILL and SIGSTOP, which can't be
// blocked. Without the attribute the child gets the mask of the calling thread,
// which in Go is the mask that the process was started with.
//
// The child sets the mask right before [Seccomp] and execve. With [Ptrace] and
// [StartSuspended] it gets the mask after execve. See sigprocmask(2).
type SigMask []syscall.Signal

// InheritIgnored keeps signals ignored in the child that this process ignores, as
// os/exec does. Without it every signal has its default action in the child, but
// for those in [SigIgnore]. A signal in [SigDefault] is reset all the same.
//
// This process ignores a signal in two cases. Either package os/signal has been
// told to ignore it. Or the signal was ignored when this process was started, as by
// nohup(1), and is one of SIGHUP, SIGINT, SIGCONT, SIGTSTP, SIGTTIN and SIGTTOU.
// The last four also count if C code ignores them. Other signals that C code
// ignores are reset, and so is a SIGPIPE that was ignored at the start. Any Unix.
// See sigaction(2).
type InheritIgnored struct{}

// SigDefault resets signals to their default action. Use it for signals that
// [InheritIgnored] would keep ignored. A signal can't be in [SigIgnore] as well. An
// empty SigDefault changes nothing, and works on any Unix.
//
// Without InheritIgnored all signals are reset anyway, and no handler survives
// execve. There is one exception, in a process that has not called C code. If Go
// code changes an action by a system call of its own after the first spawn, the
// change is seen for SIGHUP, SIGINT, SIGPIPE and SIGCHLD alone. List other signals
// here to reset them. See sigaction(2).
type SigDefault []syscall.Signal

// SigIgnore sets the signals that the child ignores. See sigaction(2).
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
			return invalid(plan.StepSigMask, signalName(sig), "no such signal")
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
	p.Step(plan.StepSigMask, "")
	p.Call(plan.Mask, raw.RtSigprocmask, raw.Int(sigSetmask), p.Builder().Words(set), raw.Int(0), raw.Int(sigsetBytes))
}

func (InheritIgnored) check(c *plan.Claims) error {
	return c.Claim(plan.InheritedSignals, "attr.InheritIgnored")
}

// lower adds nothing: with the claim, the engine resets fewer signals.
func (InheritIgnored) lower(*plan.Plan) {}

// fallback has nothing to ask for: os.StartProcess does it.
func (InheritIgnored) fallback(*plan.ForkExec) error { return nil }

func (s SigDefault) check(c *plan.Claims) error {
	if err := c.Claim("default signals", "attr.SigDefault"); err != nil {
		return err
	}
	return claimSignals(c, s, plan.StepSigDefault, "attr.SigDefault")
}

func (s SigDefault) lower(p *plan.Plan) { setActions(p, s, plan.StepSigDefault, sigDfl) }

func (s SigDefault) fallback(*plan.ForkExec) error {
	if len(s) == 0 {
		return nil
	}
	return &UnsupportedError{What: "attr.SigDefault with signals", Since: plan.Engine}
}

func (s SigIgnore) check(c *plan.Claims) error {
	if err := c.Claim("ignored signals", "attr.SigIgnore"); err != nil {
		return err
	}
	return claimSignals(c, s, plan.StepSigIgnore, "attr.SigIgnore")
}

func (s SigIgnore) lower(p *plan.Plan) { setActions(p, s, plan.StepSigIgnore, sigIgn) }

func claimSignals(c *plan.Claims, sigs []syscall.Signal, step, by string) error {
	for _, sig := range sigs {
		if sig < 1 || sig > plan.LastSignal {
			return invalid(step, signalName(sig), "no such signal")
		}
		if !changeable(sig) {
			return invalid(step, signalName(sig), "the action of this signal can't be changed")
		}
		if err := c.Claim(signalName(sig), by); err != nil {
			return err
		}
	}
	return nil
}

// setActions gives signals an action. struct sigaction of the kernel is at most four
// words. The handler is the first part, and the rest is 0 here.
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

// changeable reports whether the action of a signal can be changed, in Linux's numbers.
func changeable(sig syscall.Signal) bool {
	const sigStop = 19
	return sig != syscall.SIGKILL && sig != sigStop
}

// ParseSignal reads a name, in any case and with or without SIG, or a number from 1 to
// 64. The names are those of this platform. The error matches EINVAL.
func ParseSignal(s string) (syscall.Signal, error) {
	if n, err := strconv.Atoi(s); err == nil {
		if n < 1 || n > plan.LastSignal {
			return 0, plan.Invalid("%d is not a signal from 1 to %d", n, plan.LastSignal)
		}
		return syscall.Signal(n), nil
	}
	if sig := names.SignalNumber("SIG" + strings.TrimPrefix(strings.ToUpper(s), "SIG")); sig != 0 {
		return sig, nil
	}
	return 0, plan.Invalid("%q is not a signal", s)
}

// ParseSignals reads a list with commas, "none", or "all" for all signals but SIGKILL
// and SIGSTOP, which can be neither blocked nor ignored. The result has each signal
// once.
func ParseSignals(s string) ([]syscall.Signal, error) {
	list := []syscall.Signal{}
	switch s {
	case "none":
		return list, nil
	case "all":
		for sig := syscall.Signal(1); sig <= plan.LastSignal; sig++ {
			if changeable(sig) {
				list = append(list, sig)
			}
		}
		return list, nil
	}
	for item := range strings.SplitSeq(s, ",") {
		sig, err := ParseSignal(item)
		if err != nil {
			return nil, err
		}
		list = append(list, sig)
	}
	return once(list), nil
}
