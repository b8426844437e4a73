package attr

import (
	"fmt"
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
// The kernel sends it when the thread ends that has made the child, and Go ends
// threads. So the child is made by a thread that is kept for this, and never
// ends. If the calling thread is in other namespaces than the process, or with
// [Ptrace], it makes the child itself: the signal then comes when it ends, as it
// does when a goroutine ends that is locked to it. See PR_SET_PDEATHSIG(2const).
type ParentDeathSignal syscall.Signal

const prSetPdeathsig = 1

func (s ParentDeathSignal) check(c *plan.Claims) error {
	if s < 1 || s > lastSignal {
		return invalid("pdeathsig", signalName(syscall.Signal(s)), "no such signal")
	}
	return c.Claim("the parent-death signal", "attr.ParentDeathSignal")
}

func (s ParentDeathSignal) lower(p *plan.Plan) {
	p.DeathSignal = true
	b, sig, zero := p.Builder(), raw.Int(int64(s)), raw.Int(0)
	parent, self := b.Var(), b.Var()
	p.Step("pdeathsig", fmt.Sprint(int(s)))
	p.Call(plan.AfterCredentials, raw.Prctl, raw.Int(prSetPdeathsig), sig, zero, zero, zero)
	p.Call(plan.AfterCredentials, raw.Getppid).Keep(parent)
	// The parent is 0 where it is outside of the pid namespace; self then stays 0,
	// which tkill refuses.
	p.Call(plan.AfterCredentials, raw.Getpid).Keep(self).SkipEqual(parent, 0)
	p.Call(plan.AfterCredentials, raw.Tkill, raw.VarArg(self, 0), sig).Ignore().SkipEqual(parent, uint64(os.Getpid()))
}

func (ParentDeathSignal) fallback(*plan.ForkExec) error {
	return plan.Unsupported("attr.ParentDeathSignal")
}
