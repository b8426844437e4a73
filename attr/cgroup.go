package attr

import (
	"os"

	"github.com/safespawn/spawn/internal/plan"
)

// Cgroup makes the child in the cgroup v2 whose directory Dir is, so that its
// first instruction runs there. Dir stays the caller's, who may close it once
// Start has returned. It needs write access to cgroup.procs there and in the
// common ancestor. Linux 5.7; where clone3 is refused the child moves itself
// before execve, and a cgroup namespace of [Namespaces] then has this process's
// cgroup as its root; one of [Unshare] always has the child's. A child that is made
// in a frozen cgroup holds up Start until it is thawed or the context ends. Where the
// cgroup has memory.oom.group, or others than root and this user set its limits, the
// child gets a copy of the memory; docs/security.md says why.
//
// What is not the directory of a cgroup v2 is an error that says what it is, and that
// matches EINVAL, and EBADF as the kernel has it. See cgroups(7).
type Cgroup struct{ Dir *os.File }

func (g Cgroup) check(c *plan.Claims) error {
	if g.Dir == nil {
		return invalid(plan.StepCgroup, "", "nil directory")
	}
	return c.Claim("the cgroup", "attr.Cgroup")
}

func (g Cgroup) lower(p *plan.Plan) { p.SetCgroup(g.Dir) }
