//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// hiding is how a child clears the dumpable flag of the memory that it shares. The
// variables are 0 where it is not to.
type hiding struct {
	early, late raw.Var
	shared      bool // the flag is this process's, too
	ownMaps     bool // the child writes files of /proc once it is in its namespaces
}

// lowerHiding hides the memory before the first step after which others may reach
// the child who may not reach this process; docs/security.md says which these are.
// The kernel sets the flag to fs.suid_dumpable with some of these steps, and 1 may
// be that, so it is cleared once more after them.
func (p *Program) lowerHiding(pl *plan.Plan) {
	user := entersUserNamespace(pl)
	p.use = dumpable.Use{Files: pl.OwnFiles, Maps: p.maps != nil}
	if !user && !pl.Credentials {
		return
	}
	p.use.Early = pl.Clone.Bits&unix.CLONE_NEWUSER != 0
	p.use.Changes = p.use.Early || p.feat.SharedMemory
	b := pl.Builder()
	h := &hiding{b.Var(), b.Var(), p.feat.SharedMemory, pl.TimeOffsets != nil || pl.IDMap != nil && pl.Unshare.Bits&unix.CLONE_NEWUSER != 0}
	clear := func(ph plan.Phase, unless raw.Var) {
		zero := raw.Int(0)
		pl.Call(ph, raw.Prctl, raw.Int(unix.PR_SET_DUMPABLE), zero, zero, zero, zero).SkipEqual(unless, 0)
	}
	pl.StartStep(plan.StepDumpable)
	clear(plan.Hide, h.early)
	if user {
		clear(plan.Namespaces, h.late)
	}
	if pl.Credentials {
		clear(plan.DropCaps, h.late)
	}
	p.hiding = h
}

// entersUserNamespace reports whether the child gets into another user namespace,
// as far as that can be told.
func entersUserNamespace(p *plan.Plan) bool {
	flags := p.Clone.Bits | p.Unshare.Bits
	for _, j := range p.Joins {
		flags |= j.Types
		if j.Types == 0 {
			return true
		}
	}
	return flags&unix.CLONE_NEWUSER != 0
}

// set tells the child what to do. A flag of 2, that of a set-user-ID program, can't
// be put back, and does not need to be cleared.
func (h *hiding) set(r *raw.Run, hold *dumpable.Hold) {
	if h == nil {
		return
	}
	old, root := 1, unix.Geteuid() == 0
	if h.shared {
		old = hold.Old()
	}
	if old == 1 && (root || !h.ownMaps) {
		r.Set(h.early, 1)
	}
	if old != 2 {
		r.Set(h.late, 1)
	}
}
