package attr

import (
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Chroot changes the root directory, and makes it the working directory. The paths
// of the file actions and of the program are inside. It happens before credentials
// are dropped. Any Unix. Privilege: CAP_SYS_CHROOT. See chroot(2).
type Chroot string

func (d Chroot) check(c *plan.Claims) error {
	if d == "" || strings.IndexByte(string(d), 0) >= 0 {
		return invalid(plan.StepChroot, string(d), "empty path, or one with a NUL byte")
	}
	return c.Claim("the root directory", "attr.Chroot")
}

func (d Chroot) lower(p *plan.Plan) {
	p.Chrooted = true
	p.Step(plan.StepChroot, string(d))
	p.Call(plan.Root, raw.Chroot, p.Builder().String(string(d)))
	p.Call(plan.Root, raw.Chdir, p.Builder().String("/"))
}

func (d Chroot) fallback(f *plan.ForkExec) error {
	f.Chroot = string(d)
	return nil
}
