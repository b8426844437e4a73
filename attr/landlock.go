package attr

import (
	"fmt"
	"math"
	"os"

	"github.com/safespawn/spawn/internal/plan"
)

// Landlock restricts the child by a ruleset, for good. The ruleset is File, or this
// process's descriptor FD; see [Descriptor]. [NewLandlock] makes one from plain
// rules. Either stays yours, and must be open at each start. The child does not
// inherit it, unless a file action says so.
//
// The child sets it after all file actions. The actions are not restricted, and the
// files that they have opened stay usable. The program is restricted. The ruleset
// must allow executing and reading the program's file, its interpreter or dynamic
// loader, and its libraries. Otherwise execve fails with EACCES.
//
// Without [NoNewPrivs] and without the privilege, the error is EPERM. If
// [Capabilities] leave the privilege out, Compile returns the error. Flags are
// LANDLOCK_RESTRICT_SELF_*. They decide about audit records, and need Linux 6.15.
//
// Linux 5.13 with Landlock enabled. Privilege: CAP_SYS_ADMIN, or NoNewPrivs. See
// landlock_restrict_self(2).
type Landlock struct {
	File  *os.File
	FD    Descriptor
	Flags uint

	made    *plan.LandlockRules // the child makes the ruleset
	nothing bool                // all rules were dropped
}

func (l Landlock) check(c *plan.Claims) error {
	if uint64(l.Flags) > math.MaxUint32 {
		return invalid(plan.StepLandlock, fmt.Sprintf("%#x", l.Flags), "no such flags")
	}
	switch {
	case l.nothing:
	case l.made != nil && (l.File != nil || l.FD.given):
		return invalid(plan.StepLandlock, "", "File or FD, with rules of InChild")
	case l.made != nil:
		needPrivs(c, "attr.Landlock")
	default:
		if err := checkFile(plan.StepLandlock, l.File, l.FD); err != nil {
			return err
		}
		needPrivs(c, "attr.Landlock")
	}
	return c.Claim("the Landlock ruleset", "attr.Landlock")
}

func (l Landlock) lower(p *plan.Plan) {
	if l.nothing {
		return
	}
	if l.made != nil {
		p.SetRules(l.made, uint64(l.Flags))
		return
	}
	p.SetRuleset(l.File, l.FD.number, uint64(l.Flags))
}
