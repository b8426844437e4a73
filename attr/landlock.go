package attr

import (
	"fmt"
	"math"
	"os"

	"github.com/safespawn/spawn/internal/plan"
)

// Landlock restricts the child by a ruleset, for good. The ruleset is File, or this
// process's descriptor FD; see [Descriptor]. [NewLandlock] makes one from plain rules.
// Either stays the caller's, and must be open at each start. The child does not
// inherit it unless a file action says so.
//
// It comes when all file actions are done: these are not restricted, and what they
// have opened stays usable. The program is: the ruleset must allow its file to be
// executed and read, that of its interpreter or dynamic loader, and its libraries.
// Otherwise execve fails with EACCES.
//
// It needs [NoNewPrivs], unless the child has CAP_SYS_ADMIN by then; else the error
// is EPERM, or one of Compile as for [Seccomp]. Flags are LANDLOCK_RESTRICT_SELF_*,
// which decide about audit records; they are there from Linux 6.15 on. Linux 5.13,
// where Landlock is enabled. See landlock_restrict_self(2).
type Landlock struct {
	File  *os.File
	FD    Descriptor
	Flags uint

	nothing bool // all rules were dropped
}

func (l Landlock) check(c *plan.Claims) error {
	if uint64(l.Flags) > math.MaxUint32 {
		return invalid(plan.StepLandlock, fmt.Sprintf("%#x", l.Flags), "no such flags")
	}
	if !l.nothing {
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
	p.SetRuleset(l.File, l.FD.number, uint64(l.Flags))
}
