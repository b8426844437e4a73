package attr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/names"
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

// object is the list that ParseSecureBits reads; what has no name is a number.
func (s SecureBits) object() string {
	list := names.OfSecureBits(uint(s))
	if unknown := s &^ allSecureBits; unknown != 0 {
		list = append(list, fmt.Sprintf("%#x", uint(unknown)))
	}
	return cmp.Or(strings.Join(list, ","), "none")
}

// lower makes CAP_SETPCAP effective for one call, as a change of ids has cleared
// it. Where it isn't permitted that fails, but it is the call itself that says so.
func (s SecureBits) lower(p *plan.Plan) {
	p.Credentials = true
	keepCaps(p)
	const ph = plan.SecureBits
	b, zero := p.Builder(), raw.Int(0)
	old, sets, header := b.Vars(3), b.Vars(3), capHeader(b)
	p.Step(plan.StepSecurebits, s.object())
	p.Call(ph, raw.Capget, header, b.AddrOf(old))
	p.Call(ph, raw.Capget, header, b.AddrOf(sets))
	p.SetBit(ph, sets, effective, CapSetPCap.bit())
	p.Call(ph, raw.Capset, header, b.AddrOf(sets)).Ignore()
	p.Call(ph, raw.Prctl, raw.Int(prSetSecurebits), raw.Int(int64(s)), zero, zero, zero)
	p.Call(ph, raw.Capset, header, b.AddrOf(old))
}

// ParseSecureBits reads a list with commas of flags, or "none". A flag has its name of
// capabilities(7), in any case and with or without SECBIT_, such as noroot or
// noroot_locked. The error matches EINVAL.
func ParseSecureBits(s string) (bits SecureBits, err error) {
	if s == "none" {
		return 0, nil
	}
	for item := range strings.SplitSeq(s, ",") {
		name, locked := strings.CutSuffix(strings.TrimPrefix(strings.ToLower(item), "secbit_"), "_locked")
		i := slices.Index(names.SecureBits, name)
		switch {
		case i < 0 || 1<<(2*i) == secbitKeepCaps && !locked:
			others := slices.DeleteFunc(slices.Clone(names.SecureBits), func(s string) bool { return s == "keep_caps" })
			return 0, plan.Invalid("%q is not one of %s, with _locked at the end or without", item, strings.Join(others, ", "))
		case locked:
			bits |= 2 << (2 * i)
		default:
			bits |= 1 << (2 * i)
		}
	}
	return bits, nil
}
