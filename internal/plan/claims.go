package plan

import (
	"fmt"
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

	Optional bool // whether that attribute is
}

type claim struct {
	what  string
	by    string
	index int
}

type need struct {
	claim
	namespace string
	of        []string
}

type bar struct {
	claim
	unless, why string
}

// Conflict is why two attributes can't be in one list.
type Conflict struct {
	A, B string // A is the later one; the same where it was given twice
	Why  string
}

func (e *Conflict) Error() string { return "contradicts " + e.B + ": " + e.Why }

// Unwrap returns EINVAL, as for all bad input.
func (e *Conflict) Unwrap() error { return syscall.EINVAL }

// Need is what an attribute lacks in its list.
type Need struct {
	By        string
	Of        []string // which of them would do
	Namespace string   // what kind they have to be about, or nothing
}

func (e *Need) Error() string { return fmt.Sprint("needs ", e.Of) }

// Unwrap returns EINVAL, as for all bad input.
func (e *Need) Unwrap() error { return syscall.EINVAL }

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
		return AttrError(StepAttr, c.index, by, &Conflict{A: by, B: o.by, Why: "both decide about " + what})
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
// or provided, which the attributes called of do, about a kind of namespaces if that
// is not empty.
func (c *Claims) Need(what, by, namespace string, of ...string) {
	c.needs = append(c.needs, need{claim{what, by, c.index}, namespace, of})
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
		return AttrError(StepAttr, last.index, last.by, &Conflict{A: last.by, B: first.by, Why: b.why})
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
			return AttrError(StepAttr, n.index, n.by, &Need{By: n.by, Of: n.of, Namespace: n.namespace})
		}
	}
	return nil
}
