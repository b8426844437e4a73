package attr

import (
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Ptrace makes the calling thread the tracer of the child. The child stops with
// SIGTRAP when execve has succeeded. The tracer is a thread, so you must call
// [runtime.LockOSThread] before the start. The same goroutine must then make all
// requests for the child, and wait for its stops. It excludes [StartSuspended].
//
// Signals that come before this stop are pending then. SIGSTOP and SIGTRAP are
// exceptions: they hold up Start until its context ends. Linux 3.11. Privilege:
// permission to trace. See PTRACE_TRACEME(2const).
type Ptrace struct{}

const ptraceTraceme = 0

func (Ptrace) check(c *plan.Claims) error { return c.Claim(plan.Tracer, "attr.Ptrace") }

func (Ptrace) lower(p *plan.Plan) { lowerTrace(p, plan.StepPtrace, false) }

// lowerTrace makes the thread that has made the child its tracer. A child whose
// parent is dead by then is traced by whoever has it now, which would let it stand
// still for ever; it ends.
func lowerTrace(p *plan.Plan, step string, suspend bool) {
	p.SetTrace(step, suspend)
	zero := raw.Int(0)
	p.Step(step, "")
	p.Call(plan.Ptrace, raw.Ptrace, raw.Int(ptraceTraceme), zero, zero, zero)
	signalOrphan(p, plan.Ptrace, raw.Int(int64(syscall.SIGKILL)))
}
