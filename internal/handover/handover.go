// Package handover is what package spawn does for package exec, which hands children
// over to package os, and for the command, and does not show in its reference.
package handover

import (
	"context"
	"os"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// Option is how a child is started that the caller sees to: nothing is done about one
// that is forgotten.
type Option = plan.Handover

// Package spawn has filled these in: it was initialised before.
var (
	compileExec = plan.Spawn.CompileExec.(func(*spawn.Spec, func(error)) (*spawn.Program, error))
	start       = plan.Spawn.Start.(func(context.Context, *spawn.Spec, *Option) (*spawn.Process, error))
	disown      = plan.Spawn.Disown.(func(*spawn.Process) bool)
	leave       = plan.Spawn.Leave.(func(*spawn.Process))
	asIs        = plan.Spawn.FileAsIs.(func(*spawn.FileActions, *os.File, int))

	limit    = plan.Spawn.Limit.(func(*spawn.Limiter, context.Context, func() error) error)
	giveBack = plan.Spawn.GiveBack.(func(*spawn.Limiter))
	newEvent = plan.Spawn.NewEvent.(func(context.Context, string) spawn.Event)
	newState = plan.Spawn.NewState.(func(int, syscall.WaitStatus, *syscall.Rusage) *spawn.ProcessState)
)

// Start is spawn.Start for such a child.
func Start(ctx context.Context, s *spawn.Spec, o *Option) (*spawn.Process, error) {
	return start(ctx, s, o)
}

// CompileExec is spawn.Compile for a Program that this process itself becomes, as with
// syscall.Exec: no child is made, and the pid stays. Start performs all steps of a child,
// in the same order, and then execve. It must be called in the first thread of the process,
// by a goroutine that is locked to it since an init function.
//
// An error of Start means that nothing was changed. Otherwise Start does not return. If a
// step fails then, failed is called with the error, in another thread; it must report the
// error and end this process, which has limits, a session, and so on of the program by
// then. This is why no function of package spawn does it. Nothing deferred runs, and a CPU
// profile must not be on, because execve keeps its timer.
//
// Compile returns an error for what takes a child or its parent: new pid and user
// namespaces, a tree, DieWithParent, StartSuspended, Ptrace, and a Listener. Setsid fails in the leader
// of a process group. ParentDeathSignal is about the parent of this process. Linux with the
// engine; elsewhere the error matches errors.ErrUnsupported.
func CompileExec(s *spawn.Spec, failed func(error)) (*spawn.Program, error) {
	return compileExec(s, failed)
}

// Started is the Process of a start that has succeeded, if that has optional attributes, else
// nil.
func Started(o *Option) *spawn.Process {
	p, _ := o.Started.(*spawn.Process)
	return p
}

// Disown lets go of the child without reaping it, now or later. Whoever knows its
// pid must reap it. From now on Wait returns spawn.ErrStatusTaken, and Signal returns
// os.ErrProcessDone.
//
// Disown reports whether somebody has reaped the child already. If so, its pid may
// be the pid of another process.
func Disown(p *spawn.Process) (reaped bool) { return disown(p) }

// Leave has a Process that becomes unreachable be disowned, and not released.
func Leave(p *spawn.Process) { leave(p) }

// FileAsIs adds a file as FileActions.File does, but the child gets it as it is, also
// where it does not block.
func FileAsIs(a *spawn.FileActions, f *os.File, to int) { asIs(a, f, to) }

// NewEvent is the event of a start that begins now.
func NewEvent(ctx context.Context, path string) spawn.Event { return newEvent(ctx, path) }

// NewState is the state of a child that somebody else has waited for.
func NewState(pid int, status syscall.WaitStatus, usage *syscall.Rusage) *spawn.ProcessState {
	return newState(pid, status, usage)
}

// Limit calls start when l has a place for a child. If there is a child then, GiveBack
// gives the place back.
func Limit(ctx context.Context, l *spawn.Limiter, start func() error) error {
	return limit(l, ctx, start)
}

// GiveBack says that a child of Limit has been reaped.
func GiveBack(l *spawn.Limiter) { giveBack(l) }
