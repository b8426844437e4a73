package attr

import (
	"fmt"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Capabilities sets the child's capability sets. Each set becomes exactly the given
// list. An empty list that is not nil empties the set. A nil list leaves the set as
// the kernel has it after a change of ids. There is one exception: the Ambient
// capabilities are added to a nil Effective set. The zero value does nothing.
// [OnlyCapabilities] and [NoCapabilities] make the most usual values. It excludes
// [AmbientCaps].
//
// Some sets depend on others. Permitted needs Effective. The capabilities of
// Ambient must also be in Permitted and Inheritable. A set can only grow by
// capabilities that are permitted to this process. The bounding set can't grow at
// all: capabilities of its list that are not in the set are left out.
//
// The child sets the bounding set first. Then come the credentials, the ambient
// capabilities, [SecureBits], and the other three sets.
//
// These are the sets before execve. execve keeps the inheritable, ambient and
// bounding sets, and computes the others anew. A program whose uid is not 0 has the
// ambient capabilities permitted and effective. A program of root has those of the
// bounding and inheritable sets, unless SecureBits say otherwise.
//
// Linux 4.3 for Ambient. Privilege: CAP_SETPCAP, to shrink the bounding set, or to
// have capabilities in Inheritable that are not permitted. See capabilities(7).
type Capabilities struct {
	Effective, Permitted, Inheritable, Ambient, Bounding []Capability
}

// NoCapabilities returns a value that empties all sets. Nothing that the program
// runs can then have a capability, not even as root. Privilege: CAP_SETPCAP, if the
// bounding set is not empty. A process without it can empty the other four sets,
// and set [NoNewPrivs].
func NoCapabilities() Capabilities { return OnlyCapabilities() }

// OnlyCapabilities returns a value that makes all sets the same list. The program
// has these capabilities, whether it is root's or not, and nothing that it runs can
// have others.
func OnlyCapabilities(list ...Capability) Capabilities {
	only := func() []Capability { return slices.Clip(append([]Capability{}, list...)) }
	return Capabilities{only(), only(), only(), only(), only()}
}

const (
	prSetKeepcaps     = 8
	prCapbsetRead     = 23
	prCapbsetDrop     = 24
	prCapAmbient      = 47
	prCapAmbientRaise = 2
	prCapAmbientClear = 4

	capabilityVersion3 = 0x20080522 // of _LINUX_CAPABILITY_VERSION_3

	// Offsets of words in two struct __user_cap_data_struct.
	effective, permitted, inheritable = 0, 4, 8
	half                              = 12
)

func (s Capabilities) check(c *plan.Claims) error {
	for _, set := range []capSet{
		{"effective", s.Effective}, {"permitted", s.Permitted}, {"inheritable", s.Inheritable},
		{"ambient", s.Ambient}, {"bounding", s.Bounding},
	} {
		for _, n := range set.list {
			if n < 0 || n > maxCapability {
				return invalid(set.step(), n.String(), "no such capability, in the %s set", set.name)
			}
		}
	}
	for _, pair := range [][2]capSet{
		{{"effective", s.Effective}, {"permitted", s.Permitted}},
		{{"ambient", s.Ambient}, {"permitted", s.Permitted}},
		{{"ambient", s.Ambient}, {"inheritable", s.Inheritable}},
	} {
		if n, missing := pair[0].beyond(pair[1]); missing {
			return invalid(pair[0].step(), n.String(), "in the %s set, and not in the %s set", pair[0].name, pair[1].name)
		}
	}
	if s.Permitted != nil && s.Effective == nil {
		return invalid(plan.StepCapset, fmt.Sprint(s.Permitted), "the permitted set without the effective set, which is a part of it")
	}
	claims := []string{"the capability sets", "the ambient capabilities"}
	if s.Effective != nil && !slices.Contains(s.Effective, CapSysAdmin) {
		claims = append(claims, noSysAdmin)
	}
	return claimAll(c, "attr.Capabilities", claims...)
}

type capSet struct {
	name string
	list []Capability
}

// step is the step that sets it.
func (s capSet) step() string {
	switch s.name {
	case "ambient":
		return plan.StepAmbient
	case "bounding":
		return plan.StepBounding
	}
	return plan.StepCapset
}

// beyond finds what is in s, but not in o, if o is to be set.
func (s capSet) beyond(o capSet) (c Capability, found bool) {
	if o.list == nil {
		return 0, false
	}
	i := slices.IndexFunc(s.list, func(c Capability) bool { return !slices.Contains(o.list, c) })
	if i < 0 {
		return 0, false
	}
	return s.list[i], true
}

func (s Capabilities) lower(p *plan.Plan) {
	if s.Effective == nil && s.Permitted == nil && s.Inheritable == nil && s.Ambient == nil && s.Bounding == nil {
		return
	}
	p.Credentials = true
	if len(s.Effective)+len(s.Permitted)+len(s.Inheritable)+len(s.Ambient) > 0 {
		keepCaps(p)
	}
	s.lowerBounding(p)
	s.lowerAmbient(p)
	s.lowerSets(p)
}

// lowerBounding leaves alone what is not in the set: even that needs privilege.
// What the kernel does not know is not in it either.
func (s Capabilities) lowerBounding(p *plan.Plan) {
	if s.Bounding == nil {
		return
	}
	zero, has := raw.Int(0), p.Builder().Var()
	for n := range maxCapability + 1 {
		if slices.Contains(s.Bounding, n) {
			continue
		}
		p.Step(plan.StepBounding, n.String())
		p.Call(plan.KeepCaps, raw.Prctl, raw.Int(prCapbsetRead), raw.Int(int64(n)), zero, zero, zero).Ignore().Keep(has)
		p.Call(plan.KeepCaps, raw.Prctl, raw.Int(prCapbsetDrop), raw.Int(int64(n)), zero, zero, zero).SkipEqual(has, 0).Tolerate(errEINVAL)
	}
}

const errEPERM, errEINVAL = 1, 22

// lowerAmbient makes them inheritable first, where that set is to be set anyway, and
// effective where that one is not to be set: the program will have them.
func (s Capabilities) lowerAmbient(p *plan.Plan) {
	if s.Ambient == nil {
		return
	}
	const ph = plan.Capabilities
	zero, b := raw.Int(0), p.Builder()
	if len(s.Ambient) > 0 && (s.Inheritable != nil || s.Effective == nil) {
		sets, header := b.Vars(3), capHeader(b)
		set := "inheritable"
		if s.Inheritable == nil {
			set = "effective"
		}
		p.Step(plan.StepCapset, capText(set, s.Ambient))
		p.Call(ph, raw.Capget, header, b.AddrOf(sets))
		for _, n := range s.Ambient {
			if s.Inheritable != nil {
				p.SetBit(ph, sets, n.word()+inheritable, n.bit())
			}
			if s.Effective == nil {
				p.SetBit(ph, sets, n.word()+effective, n.bit())
			}
		}
		capset := p.Call(ph, raw.Capset, header, b.AddrOf(sets))
		if s.Inheritable == nil {
			capset.Tolerate(errEPERM) // what is not permitted can't be ambient either
		}
	}
	p.Step(plan.StepAmbient, "")
	p.Call(ph, raw.Prctl, raw.Int(prCapAmbient), raw.Int(prCapAmbientClear), zero, zero, zero)
	for _, n := range s.Ambient {
		p.Step(plan.StepAmbient, n.String())
		p.Call(ph, raw.Prctl, raw.Int(prCapAmbient), raw.Int(prCapAmbientRaise), raw.Int(int64(n)), zero, zero)
	}
}

// lowerSets reads the child's sets only where one of them is left as it is.
func (s Capabilities) lowerSets(p *plan.Plan) {
	given := map[int32][]Capability{effective: s.Effective, permitted: s.Permitted, inheritable: s.Inheritable}
	var texts []string
	for i, name := range []string{"effective", "permitted", "inheritable"} {
		if list := given[int32(4*i)]; list != nil {
			texts = append(texts, capText(name, list))
		}
	}
	if len(texts) == 0 {
		return
	}
	b := p.Builder()
	header := capHeader(b)
	p.Step(plan.StepCapset, strings.Join(texts, " "))
	if len(texts) == len(given) {
		words := make([]uint32, 2*half/4)
		for at, list := range given {
			for _, n := range list {
				words[(n.word()+at)/4] |= 1 << n.bit()
			}
		}
		p.Call(plan.DropCaps, raw.Capset, header, b.Uint32s(words))
		return
	}
	sets := b.Vars(3)
	p.Call(plan.DropCaps, raw.Capget, header, b.AddrOf(sets))
	for _, at := range []int32{effective, permitted, inheritable} {
		if given[at] == nil {
			continue
		}
		p.ClearWord(plan.DropCaps, sets, at)
		p.ClearWord(plan.DropCaps, sets, half+at)
		for _, n := range given[at] {
			p.SetBit(plan.DropCaps, sets, n.word()+at, n.bit())
		}
	}
	p.Call(plan.DropCaps, raw.Capset, header, b.AddrOf(sets))
}

func capText(name string, list []Capability) string { return name + "=" + fmt.Sprint(list) }

// capHeader is struct __user_cap_header_struct, for the child itself.
func capHeader(b *raw.Builder) raw.Arg { return b.Uint32s([]uint32{capabilityVersion3, 0}) }

// word is the offset of the words that have the capability, and bit its number there.
func (c Capability) word() int32 { return int32(c/32) * half }

func (c Capability) bit() int { return int(c % 32) }

// keepCaps keeps what is permitted over a change of ids. It may be locked, and not be
// needed all the same, as where the ids are those that the child has already; where
// it was, the capabilities can't be set afterwards.
func keepCaps(p *plan.Plan) {
	if !p.Claims().Has(ids) {
		return
	}
	zero := raw.Int(0)
	p.Step(plan.StepKeepCaps, "")
	p.Call(plan.KeepCaps, raw.Prctl, raw.Int(prSetKeepcaps), raw.Int(1), zero, zero, zero).Tolerate(errEPERM)
}
