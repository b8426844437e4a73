package attr

import (
	"os"
	"runtime"

	"github.com/safespawn/spawn/internal/plan"
)

// Cgroup makes the child in the cgroup v2 whose directory Dir is. The first
// instruction of the child runs there. Dir stays yours; you may close it once Start
// has returned.
//
// From Linux 5.7 on clone3 makes the child there. Before Linux 5.7, or if clone3 is
// refused, the child moves itself before execve. A cgroup namespace of [Namespaces]
// then has this process's cgroup as its root. A cgroup namespace of [Unshare]
// always has the child's.
//
// If the cgroup is frozen, Start waits until the cgroup is thawed or the context
// ends. In some cgroups the child gets a copy of the memory: if memory.oom.group is
// set, or if a user other than root and this process's may set its limits.
// docs/security.md says why.
//
// If Dir is not the directory of a cgroup v2, the error matches EINVAL, and EBADF
// like the kernel's error. Its Hint says what Dir is.
//
// Any Linux; without the engine, Linux 5.7 and clone3. Privilege: write access to cgroup.procs, in Dir and in the common ancestor. See
// cgroups(7).
type Cgroup struct{ Dir *os.File }

const theCgroup = "the cgroup"

func (g Cgroup) check(c *plan.Claims) error {
	if g.Dir == nil {
		return invalid(plan.StepCgroup, "", "nil directory")
	}
	return c.Claim(theCgroup, "attr.Cgroup")
}

func (g Cgroup) lower(p *plan.Plan) { p.SetCgroup(g.Dir) }

func (g Cgroup) fallback(f *plan.ForkExec) error {
	if runtime.GOOS != "linux" {
		return &UnsupportedError{What: "attr.Cgroup", Since: "Linux"}
	}
	f.Cgroup = g.Dir
	return nil
}
