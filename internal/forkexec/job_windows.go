package forkexec

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"

	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/plan"
)

// sysOf is what os.StartProcess is to do beside what base says. A child of a job must not
// run before it is in the job.
func (p *Program) sysOf(base *syscall.SysProcAttr) *syscall.SysProcAttr {
	if p.attr.Job == nil && !p.attr.Setpgid {
		return base
	}
	sys := &syscall.SysProcAttr{}
	if base != nil {
		*sys = *base
	}
	if p.attr.Setpgid {
		sys.CreationFlags |= windows.CREATE_NEW_PROCESS_GROUP
	}
	if p.attr.Job != nil {
		sys.CreationFlags |= windows.CREATE_SUSPENDED
	}
	return sys
}

// begin puts a new child into its job, and lets it run unless it was to be suspended.
// Where this process ends just now, the child stays suspended for ever: no call of
// Windows that os.StartProcess knows makes a process in a job.
func (p *Program) begin(c Child, base *syscall.SysProcAttr) error {
	if p.attr.Job == nil {
		return nil
	}
	suspended := base != nil && base.CreationFlags&windows.CREATE_SUSPENDED != 0
	var inner error
	err := c.proc.WithHandle(func(h uintptr) { inner = p.attr.Job.Begin(h, !suspended) })
	if err = errors.Join(err, inner); err == nil {
		return nil
	}
	c.discard()
	_, i := attrlist.TreeOf(p.list)
	return plan.AttrError(plan.StepTree, i, "", err)
}
