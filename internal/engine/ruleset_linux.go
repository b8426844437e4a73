//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64) && !android

package engine

import (
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
	rule, fd := beneath(b, x.Access)
	pl.Call(plan.CloseRest, raw.Openat, raw.Int(plan.AtFdcwd), b.String(x.Path), raw.Int(unix.O_PATH|unix.O_CLOEXEC), raw.Int(0)).Keep(fd)
	add := addRule(pl, set, raw.LandlockPathRule, rule, x.Flags)
	if x.Access != x.OfFile {
		add.Else(3, uint8(unix.EINVAL))
		less, again := beneath(b, x.OfFile)
		pl.Call(plan.CloseRest, raw.Fcntl, raw.VarArg(fd, 0), raw.Int(unix.F_DUPFD_CLOEXEC), raw.Int(0)).Keep(again)
		addRule(pl, set, raw.LandlockPathRule, less, x.Flags)
		pl.Call(plan.CloseRest, raw.Close, raw.VarArg(again, 0))
	}
	pl.Call(plan.CloseRest, raw.Close, raw.VarArg(fd, 0))
}

func addRule(pl *plan.Plan, set raw.Var, kind int64, rule raw.Arg, flags uint64) raw.OpRef {
	return pl.Call(plan.CloseRest, raw.LandlockRule, raw.VarArg(set, 0), raw.Int(kind), rule, raw.Int(int64(flags)))
}

// beneath is struct landlock_path_beneath_attr in two variables: the rights, and the
// descriptor, which only the child knows. The kernel reads the low half of the second.
func beneath(b *raw.Builder, access uint64) (rule raw.Arg, fd raw.Var) {
	rights := b.Vars(2)
	b.Init(rights, int32(access))
	return b.AddrOf(rights), rights + 1
}
