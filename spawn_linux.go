//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"math"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/highfd"
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
	numbers []numberUse   // must be open
	actions []plan.Action // to name them in errors
	all     bool          // InheritAll: the table is copied as it is
	top     int           // above all descriptors that are named
	named   fdSet         // these; only where something is lent
	lent    []lentFD
	spans   []fdSpan
	fds     fdVars
	slots   []int    // files that a start puts on slots
	reopen  fdSet    // those of them that are opened anew for it
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

// heldFile is a file of the caller that the child needs.
type heldFile struct {
	f     *os.File
	fd    int
	part  plan.Part
	step  string
	index int
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
	if p.slots == nil {
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
	if err := e.lowerFiles(p, s, claims, withSlots); err != nil {
		return err
	}
	e.restoreNoFile(p, claims)
	e.lowerMask(p, claims)
	p.StartStep("execve")
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
		return plan.SpecError("actions", strconv.Itoa(len(e.actions)), plan.Invalid("more than a child can do"))
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

// lowerFiles lowers the file actions, and what attributes need of files.
func (e *engine) lowerFiles(p *plan.Plan, s *Spec, claims *plan.Claims, withSlots bool) error {
	limit := math.MaxInt32
	if len(e.actions) > 0 {
		limit = highfd.Limit()
	}
	if err := checkLimit(e.actions, claims, limit); err != nil {
		return err
	}
	f := newFDPlan(p, e.feat, e.actions, e.all)
	defer f.free()
	for i := range e.actions {
		fd := -1
		if x := &e.actions[i]; x.Kind == plan.ActFile {
			var err error
			if fd, err = e.hold(x.File, plan.PartAction, x.Kind.String(), i); err != nil {
				return x.ErrorAt(i, err)
			}
			if highfd.BlocksAnew(fd) {
				f.reopen.add(fd)
			}
		}
		f.files = append(f.files, fd)
	}
	tty := -1
	if p.TTY.File != nil {
		var err error
		if tty, err = e.hold(p.TTY.File, plan.PartAttr, "ctty", p.TTY.Index); err != nil {
			return plan.AttrError("ctty", p.TTY.Index, p.TTY.Name(), err)
		}
	}
	if err := e.holdRuleset(f); err != nil {
		return err
	}
	if withSlots && !e.all && e.maps == nil {
		f.slots = planSlots(e.actions, f.files, f.reopen, tty)
	}
	if err := f.analyse(e.actions, f.files, tty); err != nil {
		return err
	}
	if err := e.joinCgroup(f); err != nil {
		return err
	}
	if err := e.joinNamespaces(f); err != nil {
		return err
	}
	if err := e.foreground(f); err != nil {
		return err
	}
	if e.maps != nil {
		f.vars.gate = e.maps.theirs
	}
	f.lend()
	f.prepare()
	e.awaitMaps(f)
	f.lower()
	if tty >= 0 {
		f.terminal(tty)
	} else if err := f.terminalNumber(); err != nil {
		return err
	}
	f.restrict()
	f.finish()
	e.numbers, e.fds, e.top, e.slots = f.numbers, f.vars, f.top, f.slots.files
	if e.lent, e.spans = f.lent, f.spans; len(e.lent) > 0 {
		e.named = slices.Clone(f.named)
	}
	if len(e.slots) > 0 {
		e.reopen = f.reopen
	}
	return nil
}

// joinCgroup makes the child move to its cgroup where it can't be born there.
func (e *engine) joinCgroup(f *fdPlan) error {
	dir := e.cgroup
	if dir.File == nil {
		return nil
	}
	fd, err := e.hold(dir.File, plan.PartAttr, "cgroup", dir.Index)
	if err != nil {
		return plan.AttrError("cgroup", dir.Index, dir.Name(), err)
	}
	if e.feat.Cgroup {
		return nil
	}
	f.need(fd)
	b := f.Builder()
	procs := b.Var()
	f.AttrStep("cgroup", dir.Index, dir.Name())
	// Version 1 has a file to write to as well, but not this one.
	f.Call(plan.Cgroup, raw.Openat, fdArg(fd), b.String("cgroup.controllers"), raw.Int(unix.O_PATH|unix.O_CLOEXEC), raw.Int(0)).Keep(procs)
	f.Call(plan.Cgroup, raw.Close, raw.VarArg(procs, 0))
	f.Call(plan.Cgroup, raw.Openat, fdArg(fd), b.String("cgroup.procs"), raw.Int(unix.O_WRONLY), raw.Int(0)).Keep(procs)
	f.Call(plan.Cgroup, raw.Write, raw.VarArg(procs, 0), b.String("0"), raw.Int(1))
	f.Call(plan.Cgroup, raw.Close, raw.VarArg(procs, 0))
	return nil
}

// hold notes that a file must be open, with the descriptor it has now.
func (e *engine) hold(f *os.File, part plan.Part, step string, index int) (fd int, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return -1, err
	}
	if conn.Control(func(n uintptr) { fd = int(n) }) != nil {
		return -1, os.ErrClosed // nothing else makes it fail
	}
	if e.files == nil {
		e.files = make([]heldFile, 0, 4)
	}
	e.files = append(e.files, heldFile{f, fd, part, step, index})
	return fd, nil
}

// checkLimit finds descriptors that can't be because of RLIMIT_NOFILE.
func checkLimit(actions []plan.Action, claims *plan.Claims, limit int) error {
	if claims.Has(plan.NoFile) {
		return nil
	}
	for i := range actions {
		if x := &actions[i]; (x.Changes() || x.Kind == plan.ActDup2) && x.FD >= limit {
			return x.ErrorAt(i, plan.Invalid("descriptor %d is out of range, RLIMIT_NOFILE is %d", x.FD, limit))
		}
	}
	return nil
}

// restoreNoFile gives the child the limit that this process was started with.
func (e *engine) restoreNoFile(p *plan.Plan, claims *plan.Claims) {
	if claims.Has(plan.NoFile) || !nofile.Raisable() {
		return
	}
	b := p.Builder()
	e.nofile = b.Var()
	l := b.Words(nofile.Original.Soft, nofile.Original.Hard)
	p.StartStep("rlimit")
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
	if p.fds.high != 0 {
		r.Set(p.fds.high, uint64(max(tableSize(), p.top)-1))
	}
	if p.fds.unshare != 0 {
		flags |= unix.CLONE_FILES
		r.Set(p.fds.unshare, unix.CLOSE_RANGE_UNSHARE)
	}
	return flags
}

func (p *Program) heldFD(step string) int {
	for _, h := range p.files {
		if h.step == step {
			return h.fd
		}
	}
	return -1
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
