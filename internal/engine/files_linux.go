//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// heldFile is a file of the caller that the child needs.
type heldFile struct {
	f        *os.File
	fd       int
	part     plan.Part
	step     string
	index    int
	verified *highfd.Held // not nil where it is f, and each start looks whether it still is
}

// failed is the error of a start that can't have the file.
func (h *heldFile) failed(err error) error {
	return &plan.Error{Part: h.part, Step: h.step, Index: h.index, Object: h.f.Name(), Err: err}
}

// stray reports whether the descriptor of a verified file is another file's.
func (h *heldFile) stray() bool {
	if h.verified == nil || h.verified.Is(h.fd) {
		return false
	}
	highfd.NeverClose(h.f)
	return true
}

// lowerFiles lowers the file actions, and what attributes need of files.
func (p *Program) lowerFiles(pl *plan.Plan, claims *plan.Claims, withSlots bool) error {
	if !claims.Has(plan.NoFile) {
		if err := fdtable.CheckLimit(p.actions); err != nil {
			return err
		}
	}
	f := fdtable.New(pl, p.feat, p.actions)
	defer f.Free()
	for i := range p.actions {
		if err := p.bringAction(f, i); err != nil {
			return err
		}
	}
	for _, bring := range []func(*fdtable.Lowering) error{
		p.bringCgroup, p.bringJoins, p.bringForeground, p.bringTerminal, p.bringRuleset, p.bringProgram,
	} {
		if err := bring(f); err != nil {
			return err
		}
	}
	o := fdtable.Options{Slots: withSlots && p.maps == nil}
	if p.maps != nil {
		o.Gate, o.Await = p.maps.theirs, func() { p.awaitMaps(pl) }
	}
	var err error
	if p.fds, err = f.Lower(o); err != nil {
		return err
	}
	makeRuleset(pl)
	return p.terminalNumber(f)
}

// bringAction brings the file of a file action, if it has one.
func (p *Program) bringAction(f *fdtable.Lowering, i int) error {
	x := &p.actions[i]
	if x.Kind != plan.ActFile {
		f.File(-1, false)
		return nil
	}
	fd, err := p.hold(x.File, plan.PartAction, x.Kind.String(), i)
	if err != nil {
		return x.ErrorAt(i, err)
	}
	f.File(fd, !x.AsIs && highfd.BlocksAnew(fd))
	return nil
}

// bring brings the file of an attribute. An error names the file.
func (p *Program) bring(f *fdtable.Lowering, file plan.File, x fdtable.Extra) error {
	fd, err := p.hold(file.File, plan.PartAttr, x.Step, file.Index)
	if err != nil {
		return plan.AttrError(x.Step, file.Index, file.Name(), err)
	}
	x.FD, x.Index = fd, file.Index
	f.Bring(x)
	return nil
}

// bringNamed is bring for a file that may be given by its number.
func (p *Program) bringNamed(f *fdtable.Lowering, d *plan.Descriptor, x fdtable.Extra) error {
	x.FD, x.Index, x.Object = d.FD, d.Index, d.Object()
	if d.File.File != nil {
		return p.bring(f, d.File, x)
	}
	f.Bring(x)
	return nil
}

// bringCgroup makes the child move to its cgroup where it can't be born there.
func (p *Program) bringCgroup(f *fdtable.Lowering) error {
	dir := p.cgroup
	if dir.File == nil {
		return nil
	}
	if p.feat.Cgroup {
		if _, err := p.hold(dir.File, plan.PartAttr, plan.StepCgroup, dir.Index); err != nil {
			return plan.AttrError(plan.StepCgroup, dir.Index, dir.Name(), err)
		}
		return nil
	}
	return p.bring(f, dir, fdtable.Extra{Step: plan.StepCgroup, Object: dir.Name(), Lower: func(fd raw.Arg) {
		b := f.Builder()
		procs := b.Var()
		// Version 1 has a file to write to as well, but not this one.
		f.Call(plan.Cgroup, raw.Openat, fd, b.String("cgroup.controllers"), raw.Int(unix.O_PATH|unix.O_CLOEXEC), raw.Int(0)).Keep(procs)
		f.Call(plan.Cgroup, raw.Close, raw.VarArg(procs, 0))
		f.Call(plan.Cgroup, raw.Openat, fd, b.String("cgroup.procs"), raw.Int(unix.O_WRONLY), raw.Int(0)).Keep(procs)
		f.Call(plan.Cgroup, raw.Write, raw.VarArg(procs, 0), b.String("0"), raw.Int(1))
		f.Call(plan.Cgroup, raw.Close, raw.VarArg(procs, 0))
		if p.clone.Bits&unix.CLONE_NEWCGROUP != 0 {
			// The root of the namespace that clone has made is the parent's cgroup.
			f.Call(plan.Cgroup, raw.Unshare, raw.Int(unix.CLONE_NEWCGROUP))
		}
	}})
}

// bringForeground adds what attr.Foreground wants, after setpgid.
func (p *Program) bringForeground(f *fdtable.Lowering) error {
	tty := f.Foreground
	if tty == nil {
		return nil
	}
	return p.bringNamed(f, tty, fdtable.Extra{Step: plan.StepForeground, Lower: func(fd raw.Arg) {
		fdtable.SetForeground(f.Plan, plan.Session, fd)
	}})
}

// bringTerminal makes a file the controlling terminal.
func (p *Program) bringTerminal(f *fdtable.Lowering) error {
	tty := f.TTY
	if tty.File == nil {
		return nil
	}
	return p.bring(f, tty, fdtable.Extra{Late: true, Step: plan.StepCtty, Object: tty.Name(), Lower: func(fd raw.Arg) {
		f.Call(plan.Terminal, raw.Ioctl, fd, raw.Int(unix.TIOCSCTTY), steal(f))
	}})
}

// terminalNumber makes a descriptor that the child has by now the controlling
// terminal.
func (p *Program) terminalNumber(f *fdtable.Lowering) error {
	n := f.TTYNumber
	if n == nil {
		return nil
	}
	object := strconv.Itoa(n.FD)
	if !f.Has(n.FD) {
		return plan.AttrError(plan.StepCtty, n.Index, object, plan.Invalid("not a descriptor of the child"))
	}
	f.AttrStep(plan.StepCtty, n.Index, object)
	f.Call(plan.Terminal, raw.Ioctl, raw.Int(int64(n.FD)), raw.Int(unix.TIOCSCTTY), steal(f))
	return nil
}

// steal is the argument of TIOCSCTTY.
func steal(f *fdtable.Lowering) raw.Arg {
	if f.Steal {
		return raw.Int(1)
	}
	return raw.Int(0)
}

// hold notes that a file must be open, with the descriptor it has now.
func (p *Program) hold(f *os.File, part plan.Part, step string, index int) (fd int, err error) {
	if fd, err = highfd.Number(f); err != nil {
		return -1, err
	}
	if p.files == nil {
		p.files = make([]heldFile, 0, 4)
	}
	p.files = append(p.files, heldFile{f: f, fd: fd, part: part, step: step, index: index})
	return fd, nil
}

func (p *Program) heldFD(step string) int {
	for _, h := range p.files {
		if h.step == step {
			return h.fd
		}
	}
	return -1
}
