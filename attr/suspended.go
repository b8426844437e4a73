package attr

import "github.com/safespawn/spawn/internal/plan"

// StartSuspended starts the child stopped, in state T. The program is in its
// memory, but runs no instruction before the child gets SIGCONT, for example by
// Process.Signal. Run waits for the end of the child, so with Run somebody else
// must send SIGCONT. It excludes [Ptrace].
//
// Linux has no call for this. So the thread that makes the child traces it through
// execve, stops it, and lets go of it before Start returns. This has effects:
//
//   - A set-user-ID program does not get its id, and file capabilities do not
//     count, unless the child has CAP_SYS_PTRACE in effect at execve; see
//     execve(2).
//   - If tracing is forbidden, the error is EPERM, of the step suspend. The same
//     goes for a process that is itself traced by a debugger that follows its
//     children.
//   - A loop around wait4(-1) in this process may see the child stop, first by
//     SIGTRAP and then, with WUNTRACED, by SIGSTOP. This does no harm. A later
//     waiter for the child sees neither, and Process.Wait only sees the end.
//   - If somebody sends a SIGSTOP or SIGTRAP while the child is on its way to
//     execve, Start is held up until its context ends.
//   - A SIGCONT takes effect as soon as execve is done, even before Start returns,
//     and even if it was sent to the whole process group.
//
// Linux 3.11. Privilege: permission to trace. See ptrace(2).
type StartSuspended struct{}

func (StartSuspended) check(c *plan.Claims) error {
	return c.Claim(plan.Tracer, "attr.StartSuspended")
}

func (StartSuspended) lower(p *plan.Plan) { lowerTrace(p, plan.StepSuspend, true) }
