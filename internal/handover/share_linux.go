//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package handover

import (
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

var (
	take   = plan.Spawn.Take.(func(*spawn.Process) (int, raw.Claim, bool))
	share  = plan.Spawn.Share.(func(*spawn.Process, *raw.OSChild))
	settle = plan.Spawn.Settle.(func(*spawn.Process, syscall.WaitStatus, *syscall.Rusage, error))
	orphan = plan.Spawn.Orphan.(func(*spawn.Process, int, int, raw.Claim) *spawn.Process)
)

// Take gives the pidfd of p to the caller, if children are waited for by theirs.
func Take(p *spawn.Process) (pidfd int, claim raw.Claim, ok bool) { return take(p) }

// Share has p, whose pidfd was taken, use that of own.
func Share(p *spawn.Process, own *raw.OSChild) { share(p, own) }

// Settle tells p how the child has ended, which the caller has waited for.
func Settle(p *spawn.Process, status syscall.WaitStatus, usage *syscall.Rusage, err error) {
	settle(p, status, usage, err)
}

// Orphan makes a Process of a child whose pidfd the caller gives away. started is the Process
// that the child had at first, or nil.
func Orphan(started *spawn.Process, pid, pidfd int, claim raw.Claim) *spawn.Process {
	return orphan(started, pid, pidfd, claim)
}
