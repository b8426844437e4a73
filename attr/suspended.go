package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// StartSuspended starts the child stopped, in state T: the program is in its
// memory, but runs no instruction before it gets SIGCONT, as by Process.Signal.
// So it can be looked at, or put in its place, before it does anything. Run, and
// whatever else waits for the end, waits for somebody to send that.
//
// Linux has nothing that does this, so the thread that makes the child traces it
// through execve, stops it, and has let go of it when Start returns. That has
// effects:
//
//   - A program with set-user-ID bits or file capabilities does not get them,
//     unless this process has CAP_SYS_PTRACE; see execve(2).
//   - Where tracing is forbidden, or this process is itself traced by a debugger
//     that follows its children, the error is EPERM, of the step suspend.
//   - A loop around wait4(-1) in this process may see the child stop, first with
//     SIGTRAP and then, if it has WUNTRACED, with SIGSTOP. It can't do harm.
//     Otherwise nobody does, and Process.Wait never.
//   - A SIGSTOP that somebody sends while the child is on its way to execve holds
//     up Start until its context ends.
//   - SIGCONT counts from the time of the execve on, also if it was sent to the
//     whole group.
//
// It excludes [Ptrace]. Linux 3.11. See ptrace(2).
type StartSuspended struct{}

func (StartSuspended) check(c *plan.Claims) error {
	if err := c.Claim(tracer, "attr.StartSuspended"); err != nil {
		return err
	}
	return c.Claim(plan.Suspended, "attr.StartSuspended")
}

func (StartSuspended) lower(p *plan.Plan) {
	p.SetSuspended()
	p.Step("suspend", "")
	lowerTraceme(p)
}

// lowerTraceme makes the thread that has made the child its tracer.
func lowerTraceme(p *plan.Plan) {
	zero := raw.Int(0)
	p.Call(plan.Ptrace, raw.Ptrace, raw.Int(ptraceTraceme), zero, zero, zero)
}

func (StartSuspended) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.StartSuspended") }
