package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/environ"
	"github.com/safespawn/spawn/internal/logs"
	"github.com/safespawn/spawn/internal/plan"
)

// Spec says which program to run, and how.
type Spec struct {
	// Path is the program file. There is no search in PATH; see [LookPath]. A relative
	// path is resolved at execve, in the child's working directory.
	Path string
	// File is the program as an open file, in place of Path: the file itself is executed,
	// whatever is at its path by then, by execveat(2). Path is then only a name, for errors
	// and for Args that are nil. If Path is empty, the name is File.Name(). File stays
	// yours. It must be open at each start, and not be open for writing. A file opened
	// with O_PATH and a memory file (memfd_create(2)) will do. Offset and flags of File do
	// not matter.
	//
	// A program of this machine takes no /proc, and finds no descriptor of the file. Of
	// anything else, a script first of all, the kernel gives the interpreter the name
	// /dev/fd/N. So the program then has the file as descriptor N, an unused number from 3
	// up, and needs /dev/fd or /proc. Compile looks at the file to tell the two apart. A
	// script that was opened with O_PATH can't be looked at, and fails with ENOENT. With
	// Shell, a file that can't be looked at counts as a script.
	//
	// Nil means Path. Linux 3.19. Without the engine, the error of Compile matches
	// [errors.ErrUnsupported].
	File *os.File
	// Shell runs a file without a #! line, that is no program either, by /bin/sh, as
	// execvp(3) does. False means that the error is ENOEXEC. Any Unix.
	Shell bool
	// Args is the argument vector, including Args[0]. Nil means Path alone. An
	// empty Args that is not nil is an error.
	Args []string
	// Env is the environment, as "key=value". If a key occurs several times, its
	// last entry counts, and the program gets only that entry. So you override a
	// variable by appending, as with lookup.Env. Nil means this process's
	// environment at the time of Compile. An empty Env that is not nil means no
	// environment.
	Env []string
	// PIDVariable is the name of a variable that the environment has besides Env: its value
	// is the child's pid, in decimal, as LISTEN_PID needs it. An entry of Env with the same
	// name is left out. The child finds its pid in /proc, before it changes its root
	// directory. Empty means no variable. Linux with the engine, and not in a pid namespace
	// that is joined; elsewhere the error of Compile matches [errors.ErrUnsupported].
	PIDVariable string
	// Actions are performed in the child, in order. With the zero value the child
	// has the descriptors 0, 1 and 2 and no other.
	Actions FileActions
	// Attr holds the attributes, in any order. Nil means none.
	Attr attr.List
	// Logger gets a debug line for each spawn and each exit. It also gets one
	// warning for each missing feature of this kernel that costs time or threads.
	// Arguments and environment are never logged. Nil means no log.
	Logger Logger
	// Observer is told when the child has started and when it has ended. Nil means
	// nobody is told, and costs nothing.
	Observer Observer
	// Limiter bounds how many children there are at once: the start waits for a place,
	// or for the end of its context. Nil means no bound.
	Limiter *Limiter
}

// Logger writes log entries. A *zap.Logger is a Logger, and package slogspawn makes
// one of a *slog.Logger. A nil pointer, such as a nil *zap.Logger, counts as no
// Logger.
type Logger interface {
	// Check returns an entry to be written. It returns nil if entries of the level
	// are not logged.
	Check(level zapcore.Level, message string) *zapcore.CheckedEntry
}

// Program is a compiled Spec. It never changes, and you may start it any number of
// times, from any number of goroutines at once. The files that its actions and
// attributes name must stay open while you use it.
type Program struct {
	path     string
	log      Logger
	observer Observer
	limiter  *Limiter
	tree     *plan.Tree // nil for a child that is in none

	treeIndex int // of its attribute
	optionals *optionals
	backend
}

// Compile checks s and prepares it to be started many times. It starts nothing. An
// error is an [*Error] and says what is wrong with s.
func Compile(s *Spec) (*Program, error) { return compile(s, use{}) }

// use is what a program is for.
type use struct {
	once bool        // it is run but once, and must be released
	here func(error) // not nil: for this process itself; see handover.CompileExec
}

// compile makes a program.
func compile(s *Spec, u use) (*Program, error) {
	argv, env := s.argv(), s.env()
	if err := s.check(argv, env); err != nil {
		return nil, wrap(s.name(), err)
	}
	if s.Env != nil && !environ.Distinct(env) {
		env, _ = environ.LastOfEach(env) // which are fine
	}
	p := &Program{path: s.name(), log: logs.Used(s.Logger), observer: usedObserver(s.Observer), limiter: s.Limiter}
	if err := p.compile(s, argv, env, u); err != nil {
		return nil, wrap(s.name(), err)
	}
	p.tree, p.treeIndex = attrlist.TreeOf(s.Attr)
	p.findOptionals(s.Attr)
	return p, nil
}

// Start starts a child and returns when the child runs its program. If the child
// does not get there, Start returns the reason as an [*Error].
//
// ctx bounds Start alone. If ctx ends while the child is still on its way to
// execve, even if it is stuck, the child is killed and reaped, and the error is
// ctx.Err(). Once Start has returned, ctx has no influence on the child. Start
// panics if ctx is nil, and so does each function and method that takes a context.
func Start(ctx context.Context, s *Spec) (*Process, error) { return start(ctx, s, nil) }

// Package handover makes this known to package exec.
func init() {
	plan.Spawn.Start, plan.Spawn.Disown, plan.Spawn.Leave = start, (*Process).disown, (*Process).leave
	plan.Spawn.FileAsIs, plan.Spawn.CompileExec = (*FileActions).fileAsIs, compileExec
	plan.Spawn.NewEvent, plan.Spawn.NewState = newEvent, newState
	plan.Spawn.Limit, plan.Spawn.GiveBack = (*Limiter).do, (*Limiter).ended
}

// compileExec is handover.CompileExec.
func compileExec(s *Spec, failed func(error)) (*Program, error) {
	path := s.name()
	return compile(s, use{here: func(err error) { failed(ofStart(path, err)) }})
}

// start is Start. With o the caller sees to the child.
func start(ctx context.Context, s *Spec, o *plan.Handover) (*Process, error) {
	checkContext(ctx)
	observer := usedObserver(s.Observer)
	if observer == nil {
		return startSpec(ctx, s, o)
	}
	e := newEvent(ctx, s.name())
	p, err := compile(s, use{once: true})
	if err != nil {
		e.Phases.Prepare = time.Since(e.Begin)
		e.failed(err)
		observer.Started(e)
		return nil, err
	}
	defer p.release()
	return p.observe(ctx, e, o)
}

// startSpec is start without an Observer.
func startSpec(ctx context.Context, s *Spec, o *plan.Handover) (*Process, error) {
	p, err := compile(s, use{once: true})
	if err != nil {
		return nil, err
	}
	defer p.release()
	return p.startFor(ctx, o)
}

// Run starts a child and waits for it; a non-zero status is not an error. Look at
// the state, or call its Err method. An error of Run means that the child was not
// started, that its status was lost, or that ctx has ended.
//
// When ctx ends, the child is killed and reaped, and the error is ctx.Err(). If the
// child had been started, the state says how it ended. If this process has no
// permission to kill the child, the child is released, and the error also matches
// fs.ErrPermission.
func Run(ctx context.Context, s *Spec) (*ProcessState, error) {
	proc, err := Start(ctx, s)
	if err != nil {
		return nil, err
	}
	return proc.run(ctx)
}

// Start starts the program as the function [Start] starts a Spec.
func (p *Program) Start(ctx context.Context) (*Process, error) { return p.startFor(ctx, nil) }

func (p *Program) startFor(ctx context.Context, o *plan.Handover) (*Process, error) {
	checkContext(ctx)
	if p.observer != nil {
		return p.observe(ctx, newEvent(ctx, p.path), o)
	}
	if p.limiter != nil {
		proc, _, _, err := p.startLimited(ctx, o)
		return proc, err
	}
	proc, _, err := p.startLogged(ctx, o)
	return proc, err
}

// startLimited is startLogged when the Limiter has a place. queue is the time until the
// last try began.
func (p *Program) startLimited(ctx context.Context, o *plan.Handover) (proc *Process, times *plan.Times, queue time.Duration, err error) {
	if p.limiter == nil {
		proc, times, err = p.startLogged(ctx, o)
		return proc, times, 0, err
	}
	begin := time.Now()
	err = p.limiter.do(ctx, func() (err error) {
		queue = time.Since(begin)
		proc, times, err = p.startLogged(ctx, o)
		return err
	})
	if err != nil {
		return nil, times, queue, err
	}
	proc.place = p.limiter
	return proc, times, queue, nil
}

// startLogged starts a child, and tells the Logger.
func (p *Program) startLogged(ctx context.Context, o *plan.Handover) (*Process, *plan.Times, error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if p.log == nil {
		return p.startChild(ctx, o)
	}
	p.warnOnce()
	begin := time.Now()
	proc, times, err := p.startChild(ctx, o)
	took := logs.Duration("took", time.Since(begin))
	if err != nil {
		if e := p.log.Check(zapcore.DebugLevel, "spawn failed"); e != nil {
			e.Write(logs.String("path", p.path), took, logs.Error(err))
		}
		return nil, times, err
	}
	proc.log, proc.begin = p.log, begin
	if e := p.log.Check(zapcore.DebugLevel, "spawned"); e != nil {
		e.Write(logs.String("path", p.path), logs.Int("pid", proc.pid), logs.Int("steps", p.steps()), took)
	}
	return proc, times, nil
}

// startChild is start, in a tree if there is one.
func (p *Program) startChild(ctx context.Context, o *plan.Handover) (proc *Process, times *plan.Times, err error) {
	if p.tree != nil && p.tree.Handle != nil { // package exec sees to its own
		proc, times, err = p.startIn(ctx, o)
	} else {
		proc, times, err = p.start(ctx, o)
	}
	if err == nil && p.optionals != nil {
		proc.optionals = p.optionals
		if o != nil {
			o.Started = proc
		}
	}
	return proc, times, err
}

// checkContext panics with words instead of a nil pointer's address.
func checkContext(ctx context.Context) {
	if ctx == nil {
		panic("nil Context")
	}
}

// warn logs a warning.
func (p *Program) warn(what string) {
	if e := p.log.Check(zapcore.WarnLevel, what); e != nil {
		e.Write()
	}
}

// Run runs the program as the function [Run] runs a Spec.
func (p *Program) Run(ctx context.Context) (*ProcessState, error) {
	proc, err := p.Start(ctx)
	if err != nil {
		return nil, err
	}
	return proc.run(ctx)
}

// run waits for the child, and ends it when ctx ends.
func (p *Process) run(ctx context.Context) (*ProcessState, error) {
	p.young = true
	state, err := p.Wait(ctx)
	if err == nil || ctx.Err() == nil {
		return state, err
	}
	if err := p.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		_ = p.Release() // never fails
		return nil, fmt.Errorf("%w; and %w", ctx.Err(), err)
	}
	state, werr := p.Wait(context.WithoutCancel(ctx))
	if werr != nil {
		return nil, fmt.Errorf("%w; and %w", ctx.Err(), werr)
	}
	return state, ctx.Err()
}

// maxArg is the longest argument or environment string that Linux takes,
// MAX_ARG_STRLEN, with its NUL.
var maxArg = 32 * os.Getpagesize()

// check validates what is the same on all platforms.
func (s *Spec) check(argv, env []string) error {
	if err := plan.CheckPath(s.name()); err != nil {
		return plan.SpecError(plan.StepPath, s.name(), err)
	}
	if len(argv) == 0 {
		return plan.SpecError(plan.StepArgs, "", plan.Invalid("empty, and not nil"))
	}
	if err := checkStrings(plan.PartArg, plan.StepArgs, argv, true); err != nil {
		return err
	}
	// Package os has no variables with NUL bytes.
	if err := checkStrings(plan.PartEnv, plan.StepEnv, env, s.Env != nil); err != nil {
		return err
	}
	if strings.ContainsAny(s.PIDVariable, "=\x00") {
		return plan.SpecError(plan.StepEnv, s.PIDVariable, plan.Invalid("not the name of a variable"))
	}
	return plan.CheckActions(s.Actions.list)
}

// checkStrings finds strings that are too long, or that may have a NUL byte and
// do.
func checkStrings(part plan.Part, step string, list []string, mayHaveNUL bool) error {
	for i, x := range list {
		var why error
		switch {
		case len(x) >= maxArg && runtime.GOOS == "linux":
			why = tooLong(len(x))
		case mayHaveNUL && strings.IndexByte(x, 0) >= 0:
			why = plan.Invalid("NUL byte")
		default:
			continue
		}
		// The text itself may be a secret.
		return &plan.Error{Part: part, Step: step, Index: i, Object: fmt.Sprint(i), Err: why}
	}
	return nil
}

// name is what to call the program.
func (s *Spec) name() string {
	if s.File != nil && s.Path == "" {
		return s.File.Name()
	}
	return s.Path
}

// argv is the argument vector.
func (s *Spec) argv() []string {
	if s.Args == nil {
		return []string{s.name()}
	}
	return s.Args
}

// env is the environment.
func (s *Spec) env() []string {
	if s.Env == nil {
		return os.Environ()
	}
	return s.Env
}

// SetDumpable sets or clears the dumpable flag of this process. Use it in place of
// prctl with PR_SET_DUMPABLE, because a start may have cleared the flag for a
// moment: while a child that others may reach shares this process's memory, the
// flag is cleared.
//
// While a start has cleared the flag, SetDumpable(true) takes effect when the last
// such child is past execve, and SetDumpable(false) keeps the flag cleared
// afterwards. If you cleared the flag by prctl in this time, the library could not
// tell your change from its own, and would undo it.
//
// SetDumpable works on Linux; elsewhere the error matches [errors.ErrUnsupported].
// See PR_SET_DUMPABLE(2const).
func SetDumpable(on bool) error { return dumpable.Set(on) }
