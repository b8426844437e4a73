package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// AmbientCaps are capabilities that the program has although it is neither root's
// nor has capabilities on its file: they are made inheritable and ambient, and
// kept over a change of ids. Each must be permitted to this process, or the child
// must be in a new user namespace. Those that are ambient or inheritable already
// stay so. Linux 4.3. See capabilities(7).
type AmbientCaps []int

const (
	maxCapability = 63

	prSetKeepcaps     = 8
	prCapAmbient      = 47
	prCapAmbientRaise = 2

	capabilityVersion3 = 0x20080522 // of _LINUX_CAPABILITY_VERSION_3
)

func (l AmbientCaps) check(c *plan.Claims) error {
	for _, n := range l {
		if n < 0 || n > maxCapability {
			return invalid("ambient", capName(n), "no such capability")
		}
	}
	return c.Claim("the ambient capabilities", "attr.AmbientCaps")
}

func capName(n int) string { return fmt.Sprintf("capability %d", n) }

// lower reads the child's sets, adds to them and writes them. They are two
// structures of three 32-bit words each, one for each half of the capabilities:
// effective, permitted, inheritable.
func (l AmbientCaps) lower(p *plan.Plan) {
	if len(l) == 0 {
		return
	}
	p.Credentials = true
	zero := raw.Int(0)
	p.Step("keepcaps", "")
	p.Call(plan.KeepCaps, raw.Prctl, raw.Int(prSetKeepcaps), raw.Int(1), zero, zero, zero)

	const half, permitted, inheritable = 12, 4, 8
	b := p.Builder()
	sets := b.Vars(3)
	header := b.Words(capabilityVersion3)
	p.Step("capset", fmt.Sprint([]int(l)))
	p.Call(plan.Capabilities, raw.Capget, header, b.AddrOf(sets))
	for _, n := range l {
		word := int32(n/32) * half
		setBit(p, sets, word+permitted, n%32)
		setBit(p, sets, word+inheritable, n%32)
	}
	p.Call(plan.Capabilities, raw.Capset, header, b.AddrOf(sets))
	for _, n := range l {
		p.Step("ambient", capName(n))
		p.Call(plan.Capabilities, raw.Prctl, raw.Int(prCapAmbient), raw.Int(prCapAmbientRaise), raw.Int(int64(n)), zero, zero)
	}
}

// setBit sets a bit of a 32-bit word in variables. The child has no instruction
// for that, but futex(2) does, as a part of FUTEX_WAKE_OP; here nobody is woken.
func setBit(p *plan.Plan, v raw.Var, offset int32, bit int) {
	const (
		wakeOp   = 5 | 128 // FUTEX_WAKE_OP, FUTEX_PRIVATE_FLAG
		orBit    = 2 | 8   // FUTEX_OP_OR, FUTEX_OP_OPARG_SHIFT
		opShift  = 28
		argShift = 12
	)
	word := p.Builder().AddrIn(v, offset)
	p.Call(plan.Capabilities, raw.Futex, word, raw.Int(wakeOp), raw.Int(0), raw.Int(0), word,
		raw.Int(orBit<<opShift|int64(bit)<<argShift))
}

func (AmbientCaps) fallback(*plan.ForkExec) error { return plan.Unsupported("attr.AmbientCaps") }
