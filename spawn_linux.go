//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/nofile"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// engine is a Program for the child's assembly, and what has to be looked up at
// each start.
type engine struct {
	prog    *raw.Program
	feat    kernel.Features
	files   []heldFile    // must be open, as the same descriptors
	actions []plan.Action // to name them in errors
	all     bool          // InheritAll: the table is copied as it is
	fds     fdtable.Table
	copying *Program // the same without slots; nil where there are none
	apart   *Program // the same in a copy of the memory; nil where there is no other cgroup
	cgroup  plan.File
	use     dumpable.Use
	hiding  *hiding // nil where nobody new can reach the child
	lasting bool    // the child is made by a thread that lasts
	way     way
	abort   raw.Var // set when the child must not get as far as execve
	clone   plan.Flags
	maps    *idMaps // nil where there is no need to wait for this process
	nofile  raw.Var
	signals signalVars
	tracing *tracing // nil where the child is not traced
	diag    diagnosis
	plan    *plan.Plan // not nil: prog lies in its memory
	inputs  inputs
}

// compile makes the program. One that is run but once lies in memory that
// release gives back.
func (p *Program) compile(s *Spec, argv, env []string, once bool) error {
	return p.compileKnowing(kernel.Here(), s, argv, env, once)
}

// compileKnowing is compile with what is known of the kernel.
func (p *Program) compileKnowing(f *kernel.Findings, s *Spec, argv, env []string, once bool) error {
	p.feat = f.Features
	p.inputs = inputs{spec: s, argv: argv, env: env, generation: f.Generation}
	if err := p.compileFor(s, argv, env, once, p.feat.CloseRange && p.feat.SharedMemory); err != nil {
		return err
	}
	if p.cgroup.File != nil && p.way != copyWay {
		p.apart = &Program{path: p.path, log: p.log, engine: engine{feat: p.feat}}
		p.apart.feat.SharedMemory = false
		if err := p.apart.compileFor(s, argv, env, once, false); err != nil {
			return err
		}
	}
	if !once {
		p.inputs.keep()
	}
	if !p.fds.NeedsSlots() {
		return nil
	}
	p.copying = &Program{path: p.path, log: p.log, engine: engine{feat: p.feat, apart: p.apart}}
	return p.copying.compileFor(s, argv, env, once, false)
}

// compileFor is compile with or without slots for files with high numbers.
func (e *engine) compileFor(s *Spec, argv, env []string, once, withSlots bool) error {
	p := plan.New()
	defer func() {
		if e.plan == nil {
			p.Free()
		}
	}()
	claims := p.Claims()
	if err := attrlist.Check(s.Attr, claims); err != nil {
		return err
	}
	b := p.Builder()
	b.Grow(size(argv) + size(env) + len(s.Path) + 256)
	e.actions = s.Actions.list
	if !once {
		e.actions = slices.Clone(e.actions)
	}
	e.resetSignals(p, claims, once)
	attrlist.Lower(s.Attr, p)
	e.cgroup, e.all = p.Cgroup, plan.InheritsAll(s.Actions.list)
	e.lasting = p.DeathSignal && (p.Trace == nil || p.Trace.Suspend)
	if p.CopiedMemory || p.OOMScore && (e.all || p.IDMap != nil) {
		e.feat.SharedMemory, withSlots = false, false
	}
	if err := e.lowerNamespaces(p); err != nil {
		return err
	}
	e.lowerHiding(p)
	if err := e.lowerFiles(p, claims, withSlots); err != nil {
		return err
	}
	e.restoreNoFile(p, claims)
	e.lowerMask(p, claims)
	p.StartStep(plan.StepExecve)
	if e.way = e.chooseWay(p); e.way == futexWay {
		e.abort = b.Var()
		p.Call(plan.Exec, raw.ExitGroup, raw.Int(1)).SkipEqual(e.abort, 0)
	}
	exec := p.Call(plan.Exec, raw.Execve, b.String(s.Path), b.Strings(argv), b.Strings(env))
	if !p.NoPause {
		exec.Retry(uint8(unix.ETXTBSY), busyRetries)
	}
	e.diag = newDiagnosis(s, p, once, size(argv)+size(env))
	if !b.Fits() {
		return plan.SpecError(plan.StepActions, strconv.Itoa(len(e.actions)), plan.Invalid("more than a child can do"))
	}
	if once {
		e.plan, e.prog = p, p.BuildShared()
	} else {
		e.prog = p.Build()
	}
	return nil
}

// release gives back the memory of a program that is run but once.
func (e *engine) release() {
	if e.plan != nil {
		e.plan.Free()
		e.plan, e.prog = nil, nil
	}
	if e.copying != nil {
		e.copying.release()
	}
	if e.apart != nil {
		e.apart.release()
	}
}

// busyRetries bounds how often execve is tried while the program is open for
// writing, usually by another child that is about to exec: about 0.15 s.
const busyRetries = 1000

// size is how many bytes a list of strings takes in the arena.
func size(list []string) int {
	n := 16
	for _, x := range list {
		n += len(x) + 9
	}
	return n
}

// restoreNoFile gives the child the limit that this process was started with.
func (e *engine) restoreNoFile(p *plan.Plan, claims *plan.Claims) {
	if claims.Has(plan.NoFile) || !nofile.Raisable() {
		return
	}
	b := p.Builder()
	e.nofile = b.Var()
	l := b.Words(nofile.Original.Soft, nofile.Original.Hard)
	p.StartStep(plan.StepRlimit)
	p.Call(plan.Lower, raw.Prlimit64, raw.Int(0), raw.Int(unix.RLIMIT_NOFILE), l, raw.Int(0)).Ignore().SkipEqual(e.nofile, 0)
}

// flags are the clone flags.
func (p *Program) flags(r *raw.Run) uint64 {
	flags := p.clone.Bits
	if p.feat.Clone3 {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	if p.feat.Pidfd {
		flags |= unix.CLONE_PIDFD
	}
	return flags | p.fds.Flags(r)
}

// objectOf is what a step acts on. That of an action is made up only now: to print
// it for each start would cost more than the rest of Compile.
func (e *engine) objectOf(step raw.Step) string {
	if a := e.actionOf(step); a != nil {
		return a.Object()
	}
	return step.Object
}

// limitRaised reports whether RLIMIT_NOFILE is what package syscall made of it.
func limitRaised() bool {
	var l unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return err == nil && nofile.Raised(nofile.Limit{Soft: l.Cur, Hard: l.Max})
}
