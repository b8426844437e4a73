//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

// Package engine makes children by the child's assembly of package raw. A Program is
// compiled once: its attributes and file actions become system calls, and what a start
// has to look up. A start makes the child, sees to what only its parent can do, and
// says what has failed, and why.
package engine

import (
	"os"
	"strconv"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/nofile"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// Input is what to run and how. Path, Argv, Env and Actions were checked before.
type Input struct {
	Path      string
	File      *os.File // the program; nil for that of Path
	Shell     bool     // what the kernel can't execute is for /bin/sh
	Argv, Env []string

	PIDVariable string // the variable that has the child's pid; empty for none

	Actions []plan.Action
	Attr    attr.List
	Once    bool // the program is started but once, and then released
	Timed   bool // each start measures its phases

	Here func(error) // not nil: no child is made; see here_linux.go

	verified *highfd.Held // File, if it has the digest that is asked for and can't change
}

// Program is an Input for the child's assembly.
type Program struct {
	prog *raw.Program
	feat kernel.Features // that it was made for
	all  bool            // InheritAll: the table is copied as it is

	needs
	vars
	how
	optionals
	labels
	others
}

// needs are what must be there at each start.
type needs struct {
	files   []heldFile // must be open, as the same descriptors
	fds     fdtable.Table
	program programFile
	cgroup  plan.File
	maps    *idMaps // nil where there is no need to wait for this process
	listens *plan.Listener
}

// vars are set at each start, where they are not 0.
type vars struct {
	signals signalVars
	nofile  raw.Var
	abort   raw.Var // set when the child must not get as far as execve
	clock   clockVars
	pid     pidText
	hiding  *hiding // nil where nobody new can reach the child
}

// how is how the child is made.
type how struct {
	way     way
	relay   bool // a first child makes the child
	scored  bool // and the child sets its OOM score
	noRelay bool // no first child may make it, only for its score
	enter   entering
	guard   plan.Guard
	clone   plan.Flags
	use     dumpable.Use
	tracing *tracing // nil where the child is not traced
	lasting bool     // the child is made by a thread that lasts
	leads   bool     // the child leads a process group
	here    func(error)
}

// labels are for errors and Steps.
type labels struct {
	path    string
	actions []plan.Action
	diag    diagnosis
}

// others are what the program was made of, and what else was made of that.
type others struct {
	inputs  inputs
	copying *Program     // the same without slots; nil where there are none
	apart   *Program     // the same in a copy of the memory; nil where there is no other cgroup
	memory  *plan.Plan   // not nil: prog lies in its memory
	own     *highfd.Held // the program, where it was opened or copied for its digest
}

// Compile makes the program. Errors are of the type *plan.Error. It keeps nothing of
// in but its open files, unless the program is started but once.
func (p *Program) Compile(in Input) error {
	err := p.compileKnowing(kernel.Here(), in)
	if err == nil && onCompile != nil {
		onCompile(p)
	}
	return err
}

// compileKnowing is Compile with what is known of the kernel. Nothing is left of a program
// that can't be compiled.
func (p *Program) compileKnowing(f *kernel.Findings, in Input) error {
	p.feat, p.path, p.here = f.Features, in.Path, in.Here
	if in.Here != nil {
		p.feat = hereFeatures(p.feat)
		if err := needsHolder(in.Attr); err != nil {
			return err
		}
	}
	p.inputs = inputs{generation: f.Generation}
	if !in.Once {
		in.keep()
		p.inputs.newer = new(atomic.Pointer[Program])
	}
	p.inputs.Input = in
	if err := p.compileVariants(&in); err != nil {
		p.Release()
		return err
	}
	return nil
}

// compileVariants compiles the program, and beside it what is used where its own way does
// not do.
func (p *Program) compileVariants(in *Input) error {
	if err := p.compileOwn(in); err != nil {
		return err
	}
	p.inputs.File, p.inputs.verified = in.File, in.verified
	if p.here != nil {
		return nil
	}
	if p.cgroup.File != nil && p.way != copyWay {
		p.apart = &Program{feat: p.feat}
		p.apart.feat.SharedMemory = false
		if err := p.apart.compileFor(in, false); err != nil {
			return err
		}
	}
	if !p.fds.NeedsSlots() {
		return nil
	}
	p.copying = &Program{feat: p.feat, others: others{apart: p.apart}}
	return p.copying.compileFor(in, false)
}

// compileOwn compiles the program itself. Its child has a copy of the memory where it would
// have to be seen at execve, and is not.
func (p *Program) compileOwn(in *Input) error {
	fresh := *p
	err := p.compileFor(in, p.feat.CloseRange && p.feat.SharedMemory && p.here == nil)
	if err != nil || p.feat.ExecSeen || p.way != futexWay && p.way != relayWay {
		return err
	}
	if p.memory != nil {
		p.memory.Free()
	}
	own := p.own
	*p = fresh
	p.own, p.feat.SharedMemory = own, false
	return p.compileFor(in, false)
}

// compileFor is Compile with or without slots for files with high numbers.
func (p *Program) compileFor(in *Input, withSlots bool) error {
	pl := plan.New()
	defer func() {
		if p.memory == nil {
			pl.Free()
		}
	}()
	claims := pl.Claims()
	pl.Here = p.here != nil
	if err := attrlist.Check(in.Attr, claims); err != nil {
		return err
	}
	b := pl.Builder()
	b.Grow(size(in.Argv) + size(in.Env) + len(in.Path) + 256)
	p.path, p.actions = in.Path, in.Actions
	p.lowerClock(in, pl)
	if p.here != nil {
		p.signals.spared = ignoredHere(in.Attr)
	}
	p.resetSignals(pl, claims, in.Once)
	attrlist.Lower(in.Attr, pl)
	if err := p.verify(in, pl); err != nil {
		return err
	}
	if err := p.lowerHere(pl); err != nil {
		return err
	}
	p.program.File, p.program.verified, p.program.shell = in.File, in.verified, in.Shell
	p.cgroup, p.all = pl.Cgroup, plan.InheritsAll(in.Actions)
	p.lasting = pl.DeathSignal && (pl.Trace == nil || pl.Trace.Suspend)
	p.leads, p.guard = pl.Leads, pl.Guard
	if (pl.CopiedMemory || p.noRelay) && p.here == nil {
		p.feat.SharedMemory, withSlots = false, false
	}
	if err := p.lowerRelay(pl); err != nil {
		return err
	}
	if err := p.lowerNamespaces(pl); err != nil {
		return err
	}
	p.lowerHiding(pl)
	if err := p.lowerFiles(pl, claims, withSlots); err != nil {
		return err
	}
	p.restoreNoFile(pl, claims)
	p.lowerMask(pl, claims)
	if err := p.lowerListening(pl); err != nil {
		return err
	}
	p.clock.read(pl, plan.Mask, p.clock.last)
	pl.StartStep(plan.StepExecve)
	if p.way = p.chooseWay(pl); p.way == futexWay || p.way == relayWay {
		p.abort = b.Var()
		pl.Call(plan.Exec, raw.ExitGroup, raw.Int(1)).SkipEqual(p.abort, 0)
	}
	p.lowerOptional(pl)
	if err := p.lowerExec(in, pl); err != nil {
		return err
	}
	p.diag = newDiagnosis(in, pl)
	if !b.Fits() {
		return plan.SpecError(plan.StepActions, strconv.Itoa(len(p.actions)), plan.Invalid("more than a child can do"))
	}
	if in.Once {
		p.memory, p.prog = pl, pl.BuildShared()
	} else {
		p.prog = pl.Build()
	}
	return nil
}

// Release gives back the memory of a program that was started but once.
func (p *Program) Release() {
	p.disown()
	if p.memory != nil {
		p.memory.Free()
		p.memory, p.prog = nil, nil
	}
	if p.copying != nil {
		p.copying.Release()
	}
	if p.apart != nil {
		p.apart.Release()
	}
}

// lowerExec adds execve, as the last step.
func (p *Program) lowerExec(in *Input, pl *plan.Plan) error {
	b := pl.Builder()
	env, err := p.lowerEnv(in, pl)
	if err != nil {
		return err
	}
	var exec raw.OpRef
	if in.File == nil {
		exec = pl.Call(plan.Exec, raw.Execve, b.String(in.Path), b.Strings(in.Argv), env)
	} else {
		exec = pl.Call(plan.Exec, raw.Execveat, p.program.at, b.String(""), b.Strings(in.Argv), env, raw.Int(unix.AT_EMPTY_PATH))
	}
	if !pl.NoPause {
		exec.Retry(uint8(unix.ETXTBSY), busyRetries)
	}
	if in.Shell {
		exec.Else(1, uint8(unix.ENOEXEC))
		p.lowerShell(in, pl, env)
	}
	return nil
}

// lowerShell adds execve of the shell, which is to read the program.
func (p *Program) lowerShell(in *Input, pl *plan.Plan, env raw.Arg) {
	path := in.Path
	if in.File != nil {
		path = p.program.script
	}
	b := pl.Builder()
	b.Step(raw.Step{Name: plan.StepExecve, Part: uint8(plan.PartStart), Index: -1, Object: plan.Shell})
	pl.Call(plan.Exec, raw.Execve, b.String(plan.Shell), b.Strings(plan.ShellArgv(path, in.Argv)), env)
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
func (p *Program) restoreNoFile(pl *plan.Plan, claims *plan.Claims) {
	if claims.Has(plan.NoFile) || !nofile.Raisable() {
		return
	}
	b := pl.Builder()
	p.nofile = b.Var()
	l := b.Words(nofile.Original.Soft, nofile.Original.Hard)
	pl.StartStep(plan.StepRlimit)
	pl.Call(plan.Lower, raw.Prlimit64, raw.Int(0), raw.Int(unix.RLIMIT_NOFILE), l, raw.Int(0)).Ignore().SkipEqual(p.nofile, 0)
}

// bornInCgroup reports whether clone puts the child into its cgroup.
func (p *Program) bornInCgroup() bool { return p.cgroup.File != nil && p.feat.Cgroup }

// flags are the clone flags, but for those of the way and of the file table.
func (p *Program) flags() uint64 {
	flags := p.clone.Bits
	if p.feat.Clone3 {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	if p.feat.Pidfd {
		flags |= unix.CLONE_PIDFD
	}
	if p.bornInCgroup() {
		flags |= unix.CLONE_INTO_CGROUP
	}
	return flags
}

// objectOf is what a step acts on. That of an action is made up only now: to print
// it for each start would cost more than the rest of Compile.
func (p *Program) objectOf(step raw.Step) string {
	if a := p.actionOf(step); a != nil {
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
