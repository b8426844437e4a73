//go:build (amd64 || arm64) && !android

package engine

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
)

// result is the error of a finished run, whose child is reaped then. unmapped is why the
// id maps were not written.
func (a *attempt) result(killed bool, unmapped error) error {
	step, why, failed := a.r.Failure()
	if killed && !failed && unmapped == nil {
		// It can have come to execve before, as a user's that we may not signal.
		killed = a.child.kill() != unix.EPERM
	}
	died := !failed && a.tracing == nil && a.child.diedSilently() // one that is traced is always waited for
	if !failed && !killed && unmapped == nil && !died {
		a.child.Leads = a.leads
		a.child.Traced = a.tracing != nil && !a.tracing.Suspend
		return nil
	}
	a.child.discard()
	if killed || unmapped != nil && a.ctx.Err() != nil && errors.Is(unmapped, a.ctx.Err()) {
		return a.ctx.Err()
	}
	if unmapped != nil {
		return a.mapError(unmapped)
	}
	if died {
		return killedBefore("the program ran")
	}
	if step.Name == plan.StepExecve {
		if step.Object != "" {
			return a.stepError(step, why)
		}
		return a.diag.explain(a.path, why)
	}
	return a.stepError(step, why)
}
