package attr

import (
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// ParentDeathSignal sets the signal that the child gets when this process ends. The
// child sets it after its credentials, whose change would clear it. It lasts until
// the program changes it.
//
// If this process is dead by the time of the step, the child gets the signal at
// once, unless the child is in a pid namespace of which this process is not a
// member. The first process of a pid namespace only heeds SIGKILL and signals for
// which it has a handler.
//
// execve silently clears the setting if the program may do more than the process
// could before. Compile returns an error in the cases that it knows:
//
//   - The real and effective ids differ, by [IDs] or because those of this process
//     do.
//   - By [Capabilities], root's permitted set lacks capabilities that execve would
//     give to root from the other sets, and neither [SecureBits] nor [NoNewPrivs]
//     prevents that.
//   - [SELinuxContext] or [AppArmorProfile] is set.
//
// Compile does not look at the program's file. The signal does not come to a
// program that is set-user-ID or set-group-ID, that has file capabilities, or that
// is in another domain by the policy of a security module. With NoNewPrivs only the
// last of these cases remains. Such a program can set the signal itself.
//
// The kernel sends the signal when the thread ends that made the child, and Go ends
// threads. So the library makes the child by a thread that it keeps for this
// purpose. This thread never ends, and has everything that goroutines share.
//
// A goroutine that is locked to its thread makes the child by its own thread, and
// so does a goroutine that uses [Ptrace]. The child then has what that thread has,
// such as a sandbox. The signal comes when this thread ends. The thread ends when
// the goroutine ends without a call of [runtime.UnlockOSThread]. After such a call
// it may end at any time. The signal also comes when this process calls execve,
// which ends all threads but one.
//
// See PR_SET_PDEATHSIG(2const).
type ParentDeathSignal syscall.Signal

const (
	prSetPdeathsig = 1

	theDeathSignal = "the parent-death signal"
)

func (s ParentDeathSignal) check(c *plan.Claims) error {
	if s < 1 || s > plan.LastSignal {
		return invalid(plan.StepPdeathsig, signalName(syscall.Signal(s)), "no such signal")
	}
	return c.Claim(theDeathSignal, "attr.ParentDeathSignal")
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
	p.Call(ph, raw.Tkill, raw.VarArg(self, 0), sig).Ignore().SkipEqual(parent, uint64(p.Parent()))
}
