package plan

import "github.com/safespawn/spawn/internal/raw"

// Optional is an attribute without which the child goes on. Its calls may fail with one of
// Errnos then, or with any where there are none.
type Optional struct {
	Index  int
	Errnos []uint8
}

// SetOptional says that the attribute being lowered is optional.
func (p *Plan) SetOptional(errnos ...uint8) {
	p.Optional = append(p.Optional, Optional{p.index, errnos})
}

// SetLacking says that the attribute being lowered, an optional one, can't be set, and why.
func (p *Plan) SetLacking(step string, err error) {
	p.Lacking = append(p.Lacking, &Error{Part: PartAttr, Step: step, Index: p.index, Err: err})
}

// optionalOf finds the optional attribute that a step belongs to.
func (p *Plan) optionalOf(s raw.Step) (o Optional, ok bool) {
	for _, o := range p.Optional {
		if Part(s.Part) == PartAttr && s.Index == o.Index {
			return o, true
		}
	}
	return Optional{}, false
}

// Spare has the child go on after the failure of what belongs to optional attributes.
func (p *Plan) Spare() []raw.Spared {
	if len(p.Optional) == 0 {
		return nil
	}
	return p.b.Spare(func(s raw.Step) ([]uint8, bool) {
		o, ok := p.optionalOf(s)
		return o.Errnos, ok
	})
}
