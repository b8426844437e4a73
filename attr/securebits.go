package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SecureBits sets all securebits flags: SECBIT_* of capabilities(7), which say how
// the kernel treats root. 0 clears all flags that are not locked. SECBIT_KEEP_CAPS
// has no use, because execve clears it.
//
// The child sets the flags after the ids and the ambient capabilities, and before
// [Capabilities] drops the privilege for them. So no flag hinders another
// attribute. Privilege: CAP_SETPCAP. See PR_SET_SECUREBITS(2const).
type SecureBits uint

const (
	prSetSecurebits = 28
	secbitKeepCaps  = 0x10
	allSecureBits   = 0xfff
)

func (s SecureBits) check(c *plan.Claims) error {
	if s&^allSecureBits != 0 || s&secbitKeepCaps != 0 {
		return invalid(plan.StepSecurebits, s.object(), "unknown flags, or SECBIT_KEEP_CAPS")
	}
	return c.Claim("the securebits", "attr.SecureBits")
}

func (s SecureBits) object() string { return fmt.Sprintf("%#x", uint(s)) }

// lower makes CAP_SETPCAP effective for one call, as a change of ids has cleared
// it. Where it isn't permitted that fails, but it is the call itself that says so.
func (s SecureBits) lower(p *plan.Plan) {
	p.Credentials = true
	keepCaps(p)
	const ph = plan.SecureBits
	b, zero := p.Builder(), raw.Int(0)
	old, sets, header := b.Vars(3), b.Vars(3), b.Words(capabilityVersion3)
	p.Step(plan.StepSecurebits, s.object())
	p.Call(ph, raw.Capget, header, b.AddrOf(old))
	p.Call(ph, raw.Capget, header, b.AddrOf(sets))
	setBit(p, ph, sets, effective, CapSetPCap.bit())
	p.Call(ph, raw.Capset, header, b.AddrOf(sets)).Ignore()
	p.Call(ph, raw.Prctl, raw.Int(prSetSecurebits), raw.Int(int64(s)), zero, zero, zero)
	p.Call(ph, raw.Capset, header, b.AddrOf(old))
}
