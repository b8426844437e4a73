//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// result is the error of a finished run, whose child is reaped then. refused is why this
// process could not do its own steps: write the id maps, or take the listener.
func (a *attempt) result(killed bool, refused error) error {
	step, why, failed := a.r.Failure()
	if killed && !failed && refused == nil {
		// It can have come to execve before, as a user's that we may not signal.
		killed = a.child.kill() == nil
	}
	died := !failed && a.tracing == nil && a.child.diedSilently() // one that is traced is always waited for
	mute := !failed && !killed && !died && refused == nil && a.failedMutely()
	if !failed && !killed && refused == nil && !died && !mute {
		a.child.Leads = a.leads
		a.child.Traced = a.tracing != nil && !a.tracing.Suspend
		return nil
	}
	a.child.discard()
	if killed || refused != nil && a.ctx.Err() != nil && errors.Is(refused, a.ctx.Err()) {
		return a.ctx.Err()
	}
	if refused != nil {
		return a.parentError(refused)
	}
	if mute {
		return plan.StartError(plan.StepPipe, fmt.Errorf("the child has failed and could not say why: %w", unix.EPIPE))
	}
	if died {
		return killedBefore("the program ran")
	}
	return a.failure(step, why)
}

// failure is the error of a step of the child.
func (a *attempt) failure(step raw.Step, why syscall.Errno) error {
	if step.Name == plan.StepExecve && step.Object == "" {
		return a.diag.explain(a.path, why)
	}
	return a.stepError(step, why)
}
