package attr

import (
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// ParentDeathSignal is the signal that the child gets when this process ends. It
// is set after the credentials, whose change would clear it, and lasts until the
// child changes its own. A child whose parent is dead by then gets the signal at
// once, unless it is in a pid namespace that this process is not in. The first
// process of such a namespace only heeds SIGKILL, and signals that it has handlers
// for.
//
// Execve clears it, silently, where the program may do more than its process could.
// What is known of that is an error of Compile: real and effective ids that differ, by
// [IDs] or because this process has such; root whose permitted set, by [Capabilities],
// is without what execve gives root from the other sets, unless [SecureBits] or
// [NoNewPrivs] keep it from that; [SELinuxContext] and [AppArmorProfile]. What belongs
// to the program's file is not known: the signal does not come to a program that is
// set-user-ID or set-group-ID, has file capabilities, or is in another domain by the
// policy of a security module; with NoNewPrivs only the last of these is left. The
// program can set it itself.
//
// The kernel sends it when the thread ends that has made the child, and Go ends
// threads. So the child is made by a thread that is kept for this, never ends, and is
// like all that goroutines share. A goroutine that is locked to its thread makes the
// child itself, as does one with [Ptrace], so that the child has what that thread
// has, such as a sandbox: the signal then comes when the thread ends, which it does
// when the goroutine ends without having called [runtime.UnlockOSThread], and may do
// at any time afterwards if it has. The signal also comes when this process calls
// execve, which ends all threads but one.
//
// See PR_SET_PDEATHSIG(2const).
type ParentDeathSignal syscall.Signal

const prSetPdeathsig = 1

func (s ParentDeathSignal) check(c *plan.Claims) error {
	if s < 1 || s > plan.LastSignal {
		return invalid(plan.StepPdeathsig, signalName(syscall.Signal(s)), "no such signal")
	}
	return c.Claim("the parent-death signal", "attr.ParentDeathSignal")
}

func (s ParentDeathSignal) lower(p *plan.Plan) {
	p.DeathSignal = true
	sig, zero := raw.Int(int64(s)), raw.Int(0)
	p.Step(plan.StepPdeathsig, signalName(syscall.Signal(s)))
	p.Call(plan.AfterCredentials, raw.Prctl, raw.Int(prSetPdeathsig), sig, zero, zero, zero)
	signalOrphan(p, plan.AfterCredentials, sig)
}

// signalOrphan makes a child signal itself whose parent is not this process any more.
// The parent is 0 where it is outside of the pid namespace; self then stays 0, which
// tkill refuses.
func signalOrphan(p *plan.Plan, ph plan.Phase, sig raw.Arg) {
	parent, self := p.Builder().Var(), p.Builder().Var()
	p.Call(ph, raw.Getppid).Keep(parent)
	p.Call(ph, raw.Getpid).Keep(self).SkipEqual(parent, 0)
	p.Call(ph, raw.Tkill, raw.VarArg(self, 0), sig).Ignore().SkipEqual(parent, uint64(os.Getpid()))
}
