// Package handover is what package spawn does for package exec, which hands children
// over to package os, and does not show in its reference.
package handover

import (
	"context"
	"os"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// Option is how a child is started that the caller sees to: nothing is done about one
// that is forgotten.
type Option = plan.Handover

// Package spawn has filled these in: it was initialised before.
var (
	start  = plan.Spawn.Start.(func(context.Context, *spawn.Spec, *Option) (*spawn.Process, error))
	disown = plan.Spawn.Disown.(func(*spawn.Process) bool)
	leave  = plan.Spawn.Leave.(func(*spawn.Process))
	asIs   = plan.Spawn.FileAsIs.(func(*spawn.FileActions, *os.File, int))
)

// Start is spawn.Start for such a child.
func Start(ctx context.Context, s *spawn.Spec, o *Option) (*spawn.Process, error) {
	return start(ctx, s, o)
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
