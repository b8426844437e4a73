package attr

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Rlimit sets a resource limit. The list may contain one for each resource. The
// child raises limits before credentials are dropped, and lowers limits after the
// file actions. Privilege: CAP_SYS_RESOURCE, to raise Hard. See getrlimit(2).
type Rlimit struct {
	Resource Resource
	// Soft and Hard are in the units of the [Resource]. [Unlimited] is no limit.
	Soft, Hard uint64
}

// Unlimited is no limit, like RLIM_INFINITY.
const Unlimited = ^uint64(0)

// RlimitToHard raises the soft limit of a [Resource] to the hard limit. The child
// itself looks the hard limit up. It excludes an [Rlimit] of the same resource.
//
// The child sets it before credentials are dropped. It also comes before [Nice] and
// [SchedPolicy], because limits can take the place of their privilege. See getrlimit(2).
type RlimitToHard Resource

// NoFile sets the limit of open files, like Rlimit with RLIMIT_NOFILE. A limit is one
// more than the highest descriptor. Go raises the soft limit for itself only. So without NoFile the child gets the limit that
// this process was started with, unless somebody has changed the limit since.
// Privilege: CAP_SYS_RESOURCE, to raise Hard. See getrlimit(2).
type NoFile struct{ Soft, Hard uint64 }

// NoFilePolicy says where the limit of open files comes from. It excludes [NoFile],
// which has a value. [RlimitToHard] of RLIMIT_NOFILE is a third way. The zero value is
// NoFileOriginal. See getrlimit(2).
type NoFilePolicy int

const (
	// NoFileOriginal is the limit that this process was started with, even if the
	// process has changed it since. Privilege: CAP_SYS_RESOURCE, to raise the hard
	// limit again.
	NoFileOriginal NoFilePolicy = iota
	// NoFileCurrent is the limit of this process at the time of the start, with the
	// soft limit that Go has raised for itself.
	NoFileCurrent
)

func (r Rlimit) check(c *plan.Claims) error { return r.claim(c, "attr.Rlimit") }

func (r Rlimit) claim(c *plan.Claims, by string) error {
	name := r.Resource.String()
	if r.Resource < 0 || r.Resource > lastResource {
		return invalid(plan.StepRlimit, name, "no such resource")
	}
	if r.Soft > r.Hard {
		return invalid(plan.StepRlimit, name, "soft limit %d over hard limit %d", r.Soft, r.Hard)
	}
	return c.Claim(name, by)
}

func (r Rlimit) lower(p *plan.Plan) {
	object := fmt.Sprintf("%v soft=%d hard=%d", r.Resource, r.Soft, r.Hard)
	soft, hard, ok := currentLimit(int(r.Resource))
	if ok && (r.Soft > soft || r.Hard > hard) {
		p.Step(plan.StepRlimit, object)
		r.set(p, plan.RaiseLimits, max(r.Soft, soft), max(r.Hard, hard))
		if r.Soft >= soft && r.Hard >= hard {
			return
		}
	}
	p.Step(plan.StepRlimit, object)
	r.set(p, plan.Lower, r.Soft, r.Hard)
}

func (r Rlimit) set(p *plan.Plan, ph plan.Phase, soft, hard uint64) {
	p.Call(ph, raw.Prlimit64, raw.Int(0), raw.Int(int64(r.Resource)), p.Builder().Words(soft, hard), raw.Int(0))
}

func (n NoFile) rlimit() Rlimit { return Rlimit{ResourceNoFile, n.Soft, n.Hard} }

func (n NoFile) check(c *plan.Claims) error { return n.rlimit().claim(c, "attr.NoFile") }

func (n NoFile) lower(p *plan.Plan) { n.rlimit().lower(p) }

func (r RlimitToHard) check(c *plan.Claims) error { return r.claim(c, "attr.RlimitToHard") }

func (r RlimitToHard) claim(c *plan.Claims, by string) error {
	name := Resource(r).String()
	if r < 0 || Resource(r) > lastResource {
		return invalid(plan.StepRlimit, name, "no such resource")
	}
	return c.Claim(name, by)
}

// lower reads the two words of the limit to the second and third variable, then
// to the first and second: the hard limit is then in the second and third. The second
// is 0 where the limit is, and where an optional attribute could not read it.
func (r RlimitToHard) lower(p *plan.Plan) {
	b, zero, resource := p.Builder(), raw.Int(0), raw.Int(int64(r))
	v := b.Vars(3)
	first, second := b.AddrIn(v, 0), b.AddrIn(v, 8)
	p.Step(plan.StepRlimit, Resource(r).String()+" soft=hard")
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, zero, second)
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, zero, first)
	p.Call(plan.RaiseLimits, raw.Prlimit64, zero, resource, second, zero).SkipEqual(v+1, 0)
}

func (n NoFilePolicy) check(c *plan.Claims) error {
	if n < NoFileOriginal || n > NoFileCurrent {
		return invalid(plan.StepRlimit, fmt.Sprint(int(n)), "no such policy")
	}
	return c.Claim(plan.NoFile, "attr.NoFilePolicy")
}

func (n NoFilePolicy) lower(p *plan.Plan) {
	if n != NoFileOriginal {
		return // with a claim to the limit the engine leaves it alone
	}
	if soft, hard, ok := originalNoFile(); ok {
		Rlimit{ResourceNoFile, soft, hard}.lower(p)
	}
}

// ParseLimit reads NAME=SOFT, NAME=SOFT:HARD or NAME=hard. NAME is a [Resource].
// Without HARD both limits are SOFT. A limit is a number or "unlimited". A number
// of bytes may end in K, M, G or T. "nofile" also takes "original" and "current",
// the two values of [NoFilePolicy]. The result is an [Rlimit], a [RlimitToHard], a
// [NoFile] or a [NoFilePolicy]. An error matches EINVAL.
func ParseLimit(s string) (Attr, error) {
	name, values, ok := strings.Cut(s, "=")
	if !ok {
		return nil, plan.Invalid("not NAME=SOFT[:HARD]")
	}
	r, err := ParseResource(name)
	if err != nil {
		return nil, err
	}
	switch {
	case values == "hard":
		return RlimitToHard(r), nil
	case r == ResourceNoFile && values == "original":
		return NoFileOriginal, nil
	case r == ResourceNoFile && values == "current":
		return NoFileCurrent, nil
	}
	soft, hard, err := parsePair(values, r.inBytes())
	switch {
	case err != nil:
		return nil, err
	case r == ResourceNoFile:
		return NoFile{soft, hard}, nil
	}
	return Rlimit{r, soft, hard}, nil
}

// ParseBytes reads a number of bytes, which may end in K, M, G or T. An error matches
// EINVAL.
func ParseBytes(s string) (uint64, error) {
	n, err := parseAmount(s, true)
	if err == nil && n == Unlimited {
		return 0, plan.Invalid("%q is not a number of bytes", s)
	}
	return n, err
}

// parsePair reads SOFT[:HARD].
func parsePair(s string, bytes bool) (soft, hard uint64, err error) {
	first, second, two := strings.Cut(s, ":")
	if !two {
		second = first
	}
	if soft, err = parseAmount(first, bytes); err != nil {
		return 0, 0, err
	}
	if hard, err = parseAmount(second, bytes); err != nil {
		return 0, 0, err
	}
	if soft > hard {
		return 0, 0, plan.Invalid("the soft limit is above the hard one")
	}
	return soft, hard, nil
}

// parseAmount reads a limit, which may have a unit if it is one of bytes.
func parseAmount(s string, bytes bool) (uint64, error) {
	if s == "unlimited" || s == "infinity" {
		return Unlimited, nil
	}
	digits, shift := s, 0
	if bytes && s != "" {
		if i := strings.IndexByte("KMGT", s[len(s)-1]&^0x20); i >= 0 {
			digits, shift = s[:len(s)-1], 10*(i+1)
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	switch {
	case err != nil && bytes:
		return 0, plan.Invalid("%q is not a number of bytes, with K, M, G or T if need be, or unlimited", s)
	case err != nil:
		return 0, plan.Invalid("%q is not a number or unlimited", s)
	case n > Unlimited>>shift:
		return 0, plan.Invalid("%q is too large", s)
	}
	return n << shift, nil
}
