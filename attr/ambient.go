package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// AmbientCaps sets capabilities that the program has although its uid is not 0 and
// its file has no capabilities. The child makes them inheritable, ambient and
// effective, and keeps them over a change of ids. SECBIT_KEEP_CAPS_LOCKED can
// forbid the latter. Capabilities that are ambient or inheritable already stay so.
// It excludes [Capabilities].
//
// Linux 4.3. Privilege: each capability must be permitted to this process, unless
// the child is in a new user namespace. See capabilities(7).
type AmbientCaps []Capability

func (l AmbientCaps) check(c *plan.Claims) error {
	for _, n := range l {
		if n < 0 || n > maxCapability {
			return invalid(plan.StepAmbient, n.String(), "no such capability")
		}
	}
	return c.Claim("the ambient capabilities", "attr.AmbientCaps")
}

// lower reads the child's sets, adds to them and writes them: to the effective one
// for what comes before the program has them, file actions and execve. They are two
// structures of three 32-bit words each, one for each half of the capabilities:
// effective, permitted, inheritable.
func (l AmbientCaps) lower(p *plan.Plan) {
	if len(l) == 0 {
		return
	}
	p.Credentials = true
	zero := raw.Int(0)
	keepCaps(p)

	b := p.Builder()
	sets := b.Vars(3)
	header := capHeader(b)
	p.Step(plan.StepCapset, fmt.Sprint([]Capability(l)))
	p.Call(plan.Capabilities, raw.Capget, header, b.AddrOf(sets))
	for _, n := range l {
		word := n.word()
		p.SetBit(plan.Capabilities, sets, word+effective, n.bit())
		p.SetBit(plan.Capabilities, sets, word+permitted, n.bit())
		p.SetBit(plan.Capabilities, sets, word+inheritable, n.bit())
	}
	p.Call(plan.Capabilities, raw.Capset, header, b.AddrOf(sets))
	for _, n := range l {
		p.Step(plan.StepAmbient, n.String())
		p.Call(plan.Capabilities, raw.Prctl, raw.Int(prCapAmbient), raw.Int(prCapAmbientRaise), raw.Int(int64(n)), zero, zero)
	}
}
