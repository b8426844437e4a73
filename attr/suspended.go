package attr

import "github.com/safespawn/spawn/internal/plan"

// StartSuspended starts the child stopped, in state T: the program is in its
// memory, but runs no instruction before it gets SIGCONT, as by Process.Signal.
// Whoever waits for its end without that, as Run does, waits until
// somebody else sends it.
//
// Linux has nothing that does this, so the thread that makes the child traces it
// through execve, stops it, and has let go of it when Start returns. That has
// effects:
//
//   - A set-user-ID program does not get its id, nor do file capabilities count,
//     unless the child has CAP_SYS_PTRACE in effect by then; see execve(2).
//   - Where tracing is forbidden, or this process is itself traced by a debugger
//     that follows its children, the error is EPERM, of the step suspend.
//   - A loop around wait4(-1) in this process may see the child stop, first by
//     SIGTRAP and then, with WUNTRACED, by SIGSTOP, which does no harm. What waits
//     for the child later sees neither, and Process.Wait only sees the end.
//   - A SIGSTOP or SIGTRAP that somebody sends while the child is on its way to
//     execve holds up Start until its context ends.
//   - A SIGCONT counts as soon as execve is done, also before Start returns and if
//     it was sent to the whole process group.
//
// It excludes [Ptrace]. Linux 3.11. See ptrace(2).
type StartSuspended struct{}

func (StartSuspended) check(c *plan.Claims) error {
	return c.Claim(plan.Tracer, "attr.StartSuspended")
}

func (StartSuspended) lower(p *plan.Plan) { lowerTrace(p, plan.StepSuspend, true) }
