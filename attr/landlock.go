package attr

import (
	"fmt"
	"math"
	"os"

	"github.com/safespawn/spawn/internal/plan"
)

// Landlock restricts the child by a ruleset, for good: Ruleset is its file, or
// where that is nil RulesetFD its descriptor; [NewLandlock] makes one from plain
// rules. Either stays the caller's, and must be open at each start. The child does
// not inherit it unless a file action says so.
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
	Ruleset   *os.File
	RulesetFD int
	Flags     uint

	nothing bool // all rules were dropped
}

func (l Landlock) check(c *plan.Claims) error {
	switch {
	case l.nothing:
	case l.Ruleset == nil && (l.RulesetFD <= 0 || l.RulesetFD > math.MaxInt32):
		return invalid(plan.StepLandlock, fmt.Sprint(l.RulesetFD), "no ruleset")
	case l.Ruleset != nil && l.RulesetFD != 0:
		return invalid(plan.StepLandlock, fmt.Sprint(l.RulesetFD), "Ruleset with RulesetFD")
	case uint64(l.Flags) > math.MaxUint32:
		return invalid(plan.StepLandlock, fmt.Sprintf("%#x", l.Flags), "no such flags")
	}
	if !l.nothing {
		needPrivs(c, "attr.Landlock")
	}
	return c.Claim("the Landlock ruleset", "attr.Landlock")
}

func (l Landlock) lower(p *plan.Plan) {
	if l.nothing {
		return
	}
	object := fmt.Sprintf("descriptor %d", l.RulesetFD)
	if l.Ruleset != nil {
		object = l.Ruleset.Name()
	}
	p.SetRuleset(l.Ruleset, l.RulesetFD, uint64(l.Flags), object)
}
