package attr

import (
	"github.com/safespawn/spawn/internal/names"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// AmbientCaps are capabilities that the program has although it is neither root's
// nor has capabilities on its file: they are made inheritable, ambient and effective,
// and kept over a change of ids, which SECBIT_KEEP_CAPS_LOCKED can forbid. Each must be permitted to this process, or the child
// must be in a new user namespace. Those that are ambient or inheritable already
// stay so. Linux 4.3. See capabilities(7).
type AmbientCaps []int

const (
	maxCapability = 63

	prSetKeepcaps     = 8
	prCapAmbient      = 47
	prCapAmbientRaise = 2

	capabilityVersion3 = 0x20080522 // of _LINUX_CAPABILITY_VERSION_3

	// Offsets of words in two struct __user_cap_data_struct.
	effective, permitted, inheritable = 0, 4, 8
	half                              = 12
)

func (l AmbientCaps) check(c *plan.Claims) error {
	for _, n := range l {
		if n < 0 || n > maxCapability {
			return invalid("ambient", capName(n), "no such capability")
		}
	}
	return c.Claim("the ambient capabilities", "attr.AmbientCaps")
}

func capName(n int) string { return names.Capability(n) }

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
	header := b.Words(capabilityVersion3)
	p.Step("capset", names.CapabilityList(l))
	p.Call(plan.Capabilities, raw.Capget, header, b.AddrOf(sets))
	for _, n := range l {
		word := int32(n/32) * half
		setBit(p, plan.Capabilities, sets, word+effective, n%32)
		setBit(p, plan.Capabilities, sets, word+permitted, n%32)
		setBit(p, plan.Capabilities, sets, word+inheritable, n%32)
	}
	p.Call(plan.Capabilities, raw.Capset, header, b.AddrOf(sets))
	for _, n := range l {
		p.Step("ambient", capName(n))
		p.Call(plan.Capabilities, raw.Prctl, raw.Int(prCapAmbient), raw.Int(prCapAmbientRaise), raw.Int(int64(n)), zero, zero)
	}
}

// keepCaps keeps what is permitted over a change of ids. It may be locked, and not be
// needed all the same, as where the ids are those that the child has already; where
// it was, the capabilities can't be set afterwards.
func keepCaps(p *plan.Plan) {
	if !p.Claims().Has(ids) {
		return
	}
	zero := raw.Int(0)
	p.Step("keepcaps", "")
	p.Call(plan.KeepCaps, raw.Prctl, raw.Int(prSetKeepcaps), raw.Int(1), zero, zero, zero).Tolerate(errEPERM)
}

// setBit sets a bit of a 32-bit word in variables.
func setBit(p *plan.Plan, ph plan.Phase, v raw.Var, offset int32, bit int) {
	const orBit = 2 | 8 // FUTEX_OP_OR, FUTEX_OP_OPARG_SHIFT
	edit(p, ph, v, offset, orBit<<opShift|int64(bit)<<argShift)
}

const opShift, argShift = 28, 12 // of the last argument of FUTEX_WAKE_OP

// edit changes a 32-bit word in variables. The child has no instruction for that,
// but futex(2) does, as a part of FUTEX_WAKE_OP; here nobody is woken.
func edit(p *plan.Plan, ph plan.Phase, v raw.Var, offset int32, op int64) {
	const wakeOp = 5 | 128 // FUTEX_WAKE_OP, FUTEX_PRIVATE_FLAG
	word := p.Builder().AddrIn(v, offset)
	p.Call(ph, raw.Futex, word, raw.Int(wakeOp), raw.Int(0), raw.Int(0), word, raw.Int(op))
}
