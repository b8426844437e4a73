//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// idMaps makes a child wait until this process has written the maps of its user
// namespace. It reads from a pipe once it has closed what it must not have.
//
// The table of such a child is its own from the start: with a shared one, it could
// not close the other end, and would wait for a parent that has died.
type idMaps struct {
	*plan.IDMap
	files        []mapFile
	ours, theirs raw.Var
}

// lowerNamespaces lowers what is not a single call.
func (p *Program) lowerNamespaces(pl *plan.Plan) error {
	unshareTime(pl)
	p.clone = pl.Clone
	if p.clone.Bits&unix.CLONE_NEWTIME != 0 && !p.feat.Clone3 {
		return plan.AttrError(plan.StepClone, pl.Clone.Index, pl.Clone.Object,
			&attr.UnsupportedError{What: "clone3, for a time namespace", Since: "5.6"})
	}
	own := pl.Unshare.Bits&unix.CLONE_NEWUSER != 0
	if pl.IDMap != nil && !own {
		if err := p.needMaps(pl); err != nil {
			return err
		}
	}
	if pl.Unshare.Bits == 0 {
		return nil
	}
	pl.AttrStep(plan.StepUnshare, pl.Unshare.Index, pl.Unshare.Object)
	pl.Call(plan.Namespaces, raw.Unshare, raw.Int(int64(pl.Unshare.Bits)))
	if pl.IDMap != nil && own {
		for _, f := range mapFiles(pl.IDMap) {
			writeOwn(pl, f)
		}
	}
	if o := pl.TimeOffsets; o != nil {
		fd := pl.Builder().Var()
		pl.AttrStep(plan.StepTimensOffsets, o.Index, o.Object)
		pl.OpenProc(plan.Namespaces, "/proc/self/timens_offsets").Keep(fd)
		pl.WriteProc(plan.Namespaces, fd, o.Text)
	}
	if pl.Unshare.Bits&unix.CLONE_NEWNS != 0 {
		pl.AttrStep(plan.StepPrivateMounts, pl.Unshare.Index, "/")
		pl.PrivateMounts(plan.Namespaces)
	}
	return nil
}

// unshareTime has a time namespace with offsets made by unshare, rather than clone: with
// a copy of the memory a child of clone would be in it at once, and the offsets fixed.
func unshareTime(pl *plan.Plan) {
	bits := pl.Clone.Bits & unix.CLONE_NEWTIME
	if pl.TimeOffsets == nil || bits == 0 {
		return
	}
	pl.Clone.Bits &^= bits
	if pl.Unshare.Bits == 0 {
		pl.Unshare.Index, pl.Unshare.Object = pl.Clone.Index, "time"
	}
	pl.Unshare.Bits |= bits
}

// bringJoins makes the child enter namespaces. With a user namespace among them
// it is as in nsenter(1): what can be entered without is entered first, as it may
// belong to another user namespace, in which the child has no rights any more later on;
// the others belong to the one that is entered.
func (p *Program) bringJoins(f *fdtable.Lowering) error {
	joins, user := make([]joining, len(f.Joins)), false
	for i := range f.Joins {
		j := &f.Joins[i]
		fd, err := p.hold(j.File.File, plan.PartAttr, plan.StepSetns, j.Index)
		if err != nil {
			return plan.AttrError(plan.StepSetns, j.Index, j.Object, err)
		}
		user = user || j.Types&unix.CLONE_NEWUSER != 0
		if user && p.here != nil {
			return withoutChild(plan.StepSetns, j.Index, j.Object, threads)
		}
		joins[i] = joining{*j, fd}
		f.Bring(fdtable.Extra{FD: fd, Step: plan.StepSetns, Index: j.Index})
	}
	if user {
		joinWithUser(f.Plan, joins)
		return nil
	}
	for _, j := range joins {
		j.setns(f.Plan, j.Types)
	}
	return nil
}

// joining is a Join whose file is used before the file actions, at its own number.
type joining struct {
	plan.Join
	fd int
}

// joinWithUser tries all but user namespaces, enters those, and then what is left.
func joinWithUser(p *plan.Plan, joins []joining) {
	type late struct {
		joining
		types  uint64
		failed raw.Var
	}
	var again []late
	for _, j := range joins {
		if j.Types == unix.CLONE_NEWUSER {
			continue
		}
		for _, types := range kindsOf(j.Types &^ unix.CLONE_NEWUSER) {
			l := late{j, types, p.Builder().Var()}
			j.setns(p, types).Else(1, uint8(unix.EPERM))
			p.Call(plan.JoinNamespaces, raw.Getpid).Keep(l.failed) // any number but 0
			again = append(again, l)
		}
	}
	for _, j := range joins {
		if j.Types&unix.CLONE_NEWUSER != 0 {
			j.setns(p, unix.CLONE_NEWUSER)
		}
	}
	for _, l := range again {
		l.setns(p, l.types).SkipEqual(l.failed, 0)
	}
}

// kindsOf takes flags apart; 0, whatever it is, stays.
func kindsOf(types uint64) (list []uint64) {
	for bit := uint64(1); bit <= types; bit <<= 1 {
		if types&bit != 0 {
			list = append(list, bit)
		}
	}
	if list == nil {
		list = []uint64{0}
	}
	return list
}

func (j joining) setns(p *plan.Plan, types uint64) raw.OpRef {
	p.AttrStep(plan.StepSetns, j.Index, j.Name()+" "+j.Object)
	return p.Call(plan.JoinNamespaces, raw.Setns, raw.Int(int64(j.fd)), raw.Int(int64(types)))
}

// needMaps prepares for maps that are written from outside.
func (p *Program) needMaps(pl *plan.Plan) error {
	files := mapFiles(pl.IDMap)
	if pl.IDMap.Helpers {
		if err := findHelpers(files); err != nil {
			return err
		}
	}
	b := pl.Builder()
	p.maps = &idMaps{pl.IDMap, files, b.Var(), b.Var()}
	return nil
}

// awaitMaps adds the child's half of idMaps.
func (p *Program) awaitMaps(pl *plan.Plan) {
	m, b := p.maps, pl.Builder()
	theirs, got, n := raw.VarArg(m.theirs, 0), b.Var(), b.Var()
	pl.AttrStep(plan.StepIDMap, m.Index, "")
	if p.all {
		pl.Call(plan.FileTable, raw.Close, raw.VarArg(m.ours, 0))
	}
	pl.Call(plan.FileTable, raw.Read, theirs, b.AddrOf(got), raw.Int(1)).Keep(n)
	pl.Call(plan.FileTable, raw.ExitGroup, raw.Int(1)).SkipEqual(n, 1)
	pl.Call(plan.FileTable, raw.Close, theirs)
}

// ofNamespaces reports whether an error of clone is more likely about namespaces
// than about a cgroup.
func ofNamespaces(errno syscall.Errno) bool {
	return errno == unix.EPERM || errno == unix.ENOSPC || errno == unix.EUSERS || errno == unix.EINVAL
}
