package plan

import (
	"slices"
	"syscall"
)

// Names of claims that decide about a default.
const (
	SignalMask       = "the signal mask"
	InheritedSignals = "inherited signals" // ignored signals stay ignored
	NoFile           = "RLIMIT_NOFILE"
	Tracer           = "the tracer" // the parent sets the mask, after execve
)

// Claims finds contradictions: whatever only one attribute may decide is claimed
// by it, under a name.
type Claims struct {
	claims []claim
	given  []string // what Provide was told
	needs  []need
	bars   []bar
	index  int // of the attribute that claims next
}

type claim struct {
	what  string
	by    string
	index int
}

type need struct {
	claim
	of string
}

type bar struct {
	claim
	unless, why string
}

// Conflict is why two attributes can't be in one list.
type Conflict struct {
	A, B string // A is what the Error names as its step
	Why  string // empty where they are about the same thing
}

func (e *Conflict) Error() string {
	if e.Why == "" {
		return "contradicts " + e.B
	}
	return "contradicts " + e.B + ": " + e.Why
}

// Unwrap returns EINVAL, as for all bad input.
func (e *Conflict) Unwrap() error { return syscall.EINVAL }

// reset forgets all claims, but keeps their memory.
func (c *Claims) reset() {
	clear(c.claims)
	clear(c.needs)
	clear(c.given)
	clear(c.bars)
	*c = Claims{claims: c.claims[:0], given: c.given[:0], needs: c.needs[:0], bars: c.bars[:0]}
}

// Attr says which attribute claims next.
func (c *Claims) Attr(index int) { c.index = index }

// Claim takes what for the attribute called by; it fails when another attribute,
// or the same one given twice, has it.
func (c *Claims) Claim(what, by string) error {
	for _, o := range c.claims {
		if o.what != what {
			continue
		}
		if o.by == by {
			return AttrError(by, c.index, what, Invalid("given twice"))
		}
		return AttrError(by, c.index, what, &Conflict{A: by, B: o.by})
	}
	c.claims = append(c.claims, claim{what, by, c.index})
	return nil
}

// Has reports whether what was claimed.
func (c *Claims) Has(what string) bool {
	for _, o := range c.claims {
		if o.what == what {
			return true
		}
	}
	return false
}

// Provide says that there is what others may need; several attributes may.
func (c *Claims) Provide(what string) { c.given = append(c.given, what) }

// Need says that the attribute called by makes sense only where what is claimed
// or provided, which the attributes called of do.
func (c *Claims) Need(what, by, of string) {
	c.needs = append(c.needs, need{claim{what, by, c.index}, of})
}

// Bar says that the attribute called by can't be where another claims what, and
// why; where a third one claims unless, it can.
func (c *Claims) Bar(what, by, unless, why string) {
	c.bars = append(c.bars, bar{claim{what, by, c.index}, unless, why})
}

// barred returns the first contradiction that Bar has told of, at the attribute
// that comes later.
func (c *Claims) barred() error {
	for _, b := range c.bars {
		i := slices.IndexFunc(c.claims, func(o claim) bool { return o.what == b.what })
		if i < 0 || c.Has(b.unless) {
			continue
		}
		first, last := c.claims[i], b.claim
		if first.index > last.index {
			first, last = last, first
		}
		return AttrError(last.by, last.index, b.what, &Conflict{A: last.by, B: first.by, Why: b.why})
	}
	return nil
}

// Unmet returns the first contradiction, or need that nothing has met, that can
// be told only when all attributes are known.
func (c *Claims) Unmet() error {
	if err := c.barred(); err != nil {
		return err
	}
	for _, n := range c.needs {
		if !c.Has(n.what) && !slices.Contains(c.given, n.what) {
			return AttrError(n.by, n.index, n.what, Invalid("needs %s", n.of))
		}
	}
	return nil
}
