package attr

import "github.com/safespawn/spawn/internal/plan"

// Ptrace makes the calling thread the tracer of the child, which stops with
// SIGTRAP when execve has succeeded. The caller must have called
// [runtime.LockOSThread], because a tracer is a thread: all requests for the
// child, and waiting for its stops, are up to that goroutine. It is done right
// before the signal mask is set. See PTRACE_TRACEME(2const).
type Ptrace struct{}

const (
	ptraceTraceme = 0

	tracer = "the tracer"
)

func (Ptrace) check(c *plan.Claims) error { return c.Claim(tracer, "attr.Ptrace") }

func (Ptrace) lower(p *plan.Plan) {
	p.Traced = true
	p.Step("ptrace", "")
	lowerTraceme(p)
}

func (Ptrace) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.Ptrace") }
