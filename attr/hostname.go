package attr

import (
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Hostname sets the host name in the child's UTS namespace. The child must have a
// UTS namespace of its own: by [Namespaces], [Unshare] or [JoinNamespace] with
// CLONE_NEWUTS. The name has at most 64 bytes. Privilege: CAP_SYS_ADMIN in the user
// namespace of the UTS namespace. See sethostname(2).
type Hostname string

// Domainname sets the NIS domain name in the child's UTS namespace. The child must
// have a UTS namespace of its own: by [Namespaces], [Unshare] or [JoinNamespace]
// with CLONE_NEWUTS. The name has at most 64 bytes. Privilege: CAP_SYS_ADMIN in the
// user namespace of the UTS namespace. See setdomainname(2).
type Domainname string

const maxHostname = 64 // __NEW_UTS_LEN

func (h Hostname) check(c *plan.Claims) error {
	return checkHostname(c, plan.StepSethostname, string(h), "attr.Hostname")
}

func checkHostname(c *plan.Claims, step, name, by string) error {
	if len(name) > maxHostname || strings.IndexByte(name, 0) >= 0 {
		return invalid(step, name, "longer than %d bytes, or with a NUL byte", maxHostname)
	}
	c.Need(ownNamespace("uts"), by, "uts", "attr.Namespaces", "attr.Unshare", "attr.JoinNamespace")
	return c.Claim("the name by "+step, by)
}

func (h Hostname) lower(p *plan.Plan) { lowerName(p, plan.StepSethostname, raw.Sethostname, string(h)) }

func lowerName(p *plan.Plan, step string, sys raw.Sys, name string) {
	p.Step(step, name)
	p.Call(plan.Root, sys, p.Builder().String(name), raw.Int(int64(len(name))))
}

func (d Domainname) check(c *plan.Claims) error {
	return checkHostname(c, plan.StepSetdomainname, string(d), "attr.Domainname")
}

func (d Domainname) lower(p *plan.Plan) {
	lowerName(p, plan.StepSetdomainname, raw.Setdomainname, string(d))
}
