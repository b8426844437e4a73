//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"math/bits"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// bringRuleset applies the ruleset that attr.Landlock wants. Nothing is opened from
// then on.
func (p *Program) bringRuleset(f *fdtable.Lowering) error {
	r := f.Ruleset
	if r == nil || r.Made != nil {
		return nil
	}
	return p.bringNamed(f, &r.Descriptor, fdtable.Extra{Late: true, Until: plan.Landlock, Step: plan.StepLandlock, Lower: func(fd raw.Arg) {
		f.Call(plan.Landlock, raw.Landlock, fd, raw.Int(int64(r.Flags)))
	}})
}

// makeRuleset has the child make the ruleset, of what it finds at the paths, and apply it.
// By then the child has closed what its program does not get. The numbers are those that
// the kernel gives: nothing else is opened or closed while they are in use.
func makeRuleset(pl *plan.Plan) {
	r := pl.Ruleset
	if r == nil || r.Made == nil {
		return
	}
	b, set := pl.Builder(), pl.Builder().Var()
	pl.MayWait = true
	pl.AttrStep(plan.StepLandlock, r.Index, "")
	pl.Call(plan.CloseRest, raw.LandlockRuleset, b.Words(r.Made.Handled...), raw.Int(int64(8*len(r.Made.Handled))), raw.Int(0)).Keep(set)
	for _, x := range r.Made.Rules {
		if x.IsPort {
			pl.AttrStep(plan.StepLandlock, r.Index, "port "+strconv.Itoa(int(x.Port)))
			addRule(pl, set, raw.LandlockPortRule, b.Words(x.Access, uint64(x.Port)), 0)
			continue
		}
		pl.AttrStep(plan.StepLandlock, r.Index, x.Path)
		allowPath(pl, set, x)
	}
	pl.AttrStep(plan.StepLandlock, r.Index, "")
	pl.Call(plan.Landlock, raw.Landlock, raw.VarArg(set, 0), raw.Int(int64(r.Flags)))
	pl.Call(plan.Landlock, raw.Close, raw.VarArg(set, 0))
}

// allowPath adds a rule for what the child finds at a path. For a file that is no
// directory the kernel refuses a rule with rights of directories. The rule then has only
// the others.
func allowPath(pl *plan.Plan, set raw.Var, x plan.LandlockRule) {
	b := pl.Builder()
	rule := beneath(b, x.Access)
	pl.Call(plan.CloseRest, raw.Openat, raw.Int(plan.AtFdcwd), b.String(x.Path), raw.Int(unix.O_PATH|unix.O_CLOEXEC), raw.Int(0)).Keep(rule.fd)
	rule.complete(pl)
	add := addRule(pl, set, raw.LandlockPathRule, rule.addr, x.Flags)
	if x.Access != x.OfFile {
		less := beneath(b, x.OfFile)
		add.Else(uint8(3+bits.OnesCount32(less.later)), uint8(unix.EINVAL))
		pl.Call(plan.CloseRest, raw.Fcntl, raw.VarArg(rule.fd, 0), raw.Int(unix.F_DUPFD_CLOEXEC), raw.Int(0)).Keep(less.fd)
		less.complete(pl)
		addRule(pl, set, raw.LandlockPathRule, less.addr, x.Flags)
		pl.Call(plan.CloseRest, raw.Close, raw.VarArg(less.fd, 0))
	}
	pl.Call(plan.CloseRest, raw.Close, raw.VarArg(rule.fd, 0))
}

func addRule(pl *plan.Plan, set raw.Var, kind int64, rule raw.Arg, flags uint64) raw.OpRef {
	return pl.Call(plan.CloseRest, raw.LandlockRule, raw.VarArg(set, 0), raw.Int(kind), rule, raw.Int(int64(flags)))
}

// pathRule is struct landlock_path_beneath_attr in two variables: the rights, and the
// descriptor, which only the child knows.
type pathRule struct {
	addr  raw.Arg
	fd    raw.Var
	later uint32 // the rights that complete sets
}

// beneath makes a rule. The kernel reads the low half of the second variable, where that comes
// first. Where the high half does, the structure begins with the low half of the first
// variable, which is 0: the high half of the rights. The high half of the second is their low
// half, and is 0 once the descriptor is known.
func beneath(b *raw.Builder, access uint64) pathRule {
	v := b.Vars(2)
	if raw.BigEndian {
		return pathRule{b.AddrOfInt(v), v + 1, uint32(access)}
	}
	b.Init(v, int32(access))
	return pathRule{b.AddrOf(v), v + 1, 0}
}

// complete follows the call that stores the descriptor.
func (r pathRule) complete(pl *plan.Plan) {
	for left := r.later; left != 0; left &= left - 1 {
		pl.SetBit(plan.CloseRest, r.fd, 0, bits.TrailingZeros32(left))
	}
}
