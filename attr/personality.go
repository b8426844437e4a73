package attr

import (
	"fmt"
	"math"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Personality sets the execution domain of the child and its flags. 0 is PER_LINUX.
// If the program is set-user-ID or set-group-ID, execve clears some flags,
// including PersonalityNoASLR. Seccomp filters of containers often allow few
// values. See personality(2).
type Personality uint

// PersonalityNoASLR is the flag for the same addresses in each run.
const PersonalityNoASLR Personality = 0x0040000

func (n Personality) check(c *plan.Claims) error {
	if uint64(n) >= math.MaxUint32 {
		return invalid(plan.StepPersonality, n.object(), "not a number of 32 bits, or the one that asks for the current value")
	}
	return c.Claim("the personality", "attr.Personality")
}

func (n Personality) object() string { return fmt.Sprintf("%#x", uint(n)) }

func (n Personality) lower(p *plan.Plan) {
	p.Step(plan.StepPersonality, n.object())
	p.Call(plan.Lower, raw.Personality, raw.Int(int64(n)))
}
