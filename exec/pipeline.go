package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/safespawn/spawn"
)

// Pipeline is a list of programs that run at the same time. The standard output of each is
// the standard input of the next. [Pipe] and [PipeContext] make a Pipeline. Use it once, as
// a Cmd.
//
// The programs are connected by pipes of the kernel: this process copies nothing between
// them. The other streams are those of the Cmds: Stdin of the first, Stdout of the last,
// and Stderr of each. All other fields of the Cmds keep their meaning, and ProcessState of
// each says how it has ended.
//
// A pipeline fails if one of its programs fails, as with "set -o pipefail" in a shell. The
// error is a [*PipeError], which has the errors of all. A program that is ended by SIGPIPE,
// because the next one has stopped reading, has not failed; this is how "yes | head" ends.
//
// The end of a context ends all programs: the context of PipeContext, and that of each Cmd.
// Cancel, Stop and WaitDelay of each Cmd say how. A Cmd without a context of its own is
// killed.
//
// If the Cmds have a Limiter, it needs a place for each of them: a program that has its
// place may not end before the others run.
type Pipeline struct {
	// Cmds are the programs, in order. Do not change them after Start.
	Cmds []*Cmd
	// Tree makes one spawn.Tree for the programs and all their descendants. The end of
	// a context, and Kill, end the whole tree. Cancel and Stop of the Cmds are then not
	// used. When all programs have ended and their streams were copied, Wait kills the
	// rest of the tree. A Cmd with a Tree of its own is an error.
	Tree bool
	// Limits bound what all programs together may use. If Limits is not zero, there is a
	// tree, even if Tree is false. With Strict, Start fails if a descendant could leave
	// the tree.
	Limits spawn.Limits
	// Stop has the steps by which the programs end when a context ends. With a tree, the
	// signals go to the whole tree. Otherwise the steps are those of each Cmd that has
	// none. Nil means the steps of each Cmd, or its Cancel.
	Stop []spawn.StopStep
	// LastOnly makes the error of the last program the only one that counts, as in a
	// shell without pipefail.
	LastOnly bool
	// BrokenPipe makes the end by SIGPIPE an error, as any other end by a signal.
	BrokenPipe bool
	// MaxOutput is the largest number of bytes that Output and CombinedOutput return. Zero
	// means the MaxOutput of the last Cmd. If the programs write more, all are killed, and
	// the error matches [ErrMaxOutput].
	MaxOutput int

	given   context.Context                 // of PipeContext; nil without
	ends    []context.Context               // whose end ends all
	first   atomic.Pointer[context.Context] // the first of ends that has ended, where there are several
	cancels []context.CancelCauseFunc
	unwatch []func() bool

	tree   *spawn.Tree
	ending sync.Once // by endTree
	endErr error     // of it
	steps  waits     // who stops the tree, which is closed after that

	started, running, over atomic.Bool // running: Start has succeeded; over: Wait has

	interrupted atomic.Bool // the end of a context has ended a program
	cut         atomic.Bool // the output was more than MaxOutput
	waiting     sync.Once
	err         error // of Wait
}

// Pipe returns a pipeline of programs that were not started yet. Stdout must be nil in
// all Cmds but the last, and Stdin in all but the first.
func Pipe(cmds ...*Cmd) *Pipeline { return &Pipeline{Cmds: cmds} }

// PipeContext is like [Pipe], but the end of the context ends all programs. It kills a Cmd
// without a context of its own. A nil context panics.
func PipeContext(ctx context.Context, cmds ...*Cmd) *Pipeline {
	if ctx == nil {
		panic("nil Context")
	}
	return &Pipeline{Cmds: cmds, given: ctx}
}

// String returns the programs and their arguments, for people to read.
func (p *Pipeline) String() string {
	var all []string
	for _, c := range p.Cmds {
		all = append(all, c.String())
	}
	return strings.Join(all, " | ")
}

// Run starts the programs and waits for all of them to end. The error is nil if all have
// started, ended with status 0 or by a SIGPIPE as the comment of [Pipeline] says, and their
// streams were copied. Any other error is a [*PipeError], unless there was no program yet
// for it to be about.
func (p *Pipeline) Run() error {
	if err := p.Start(); err != nil {
		return err
	}
	return p.Wait()
}

// Output runs the programs and returns the standard output of the last. The last Cmd's
// Stdout must be nil. For each Cmd whose Stderr is nil, ExitError.Stderr has the first and
// the last 32 KiB of its standard error. The errors are those of [Pipeline.Run].
func (p *Pipeline) Output() ([]byte, error) {
	last, err := p.freeOutput()
	if err != nil {
		return nil, err
	}
	out := p.collector()
	last.Stdout = out
	ends := make([]*endsKeeper, len(p.Cmds))
	for i, c := range p.Cmds {
		if c.Stderr == nil {
			ends[i] = newEndsKeeper()
			c.Stderr = ends[i]
		}
	}
	err = p.Run()
	var failed *PipeError
	if errors.As(err, &failed) {
		for i, e := range failed.Errs {
			var exit *ExitError
			if ends[i] != nil && errors.As(e, &exit) {
				exit.Stderr = ends[i].bytes()
			}
		}
	}
	return out.bytes(), err
}

// CombinedOutput runs the programs and returns the standard output of the last together
// with the standard error of all. The last Cmd's Stdout and each Stderr must be nil. The
// errors are those of [Pipeline.Run].
func (p *Pipeline) CombinedOutput() ([]byte, error) {
	last, err := p.freeOutput()
	if err != nil {
		return nil, err
	}
	for i, c := range p.Cmds {
		if c.Stderr != nil {
			return nil, p.failed(i, errors.New("exec: Stderr already set"))
		}
	}
	out := p.collector()
	all := &inTurn{to: out}
	last.Stdout = all
	for _, c := range p.Cmds {
		c.Stderr = all
	}
	err = p.Run()
	return out.bytes(), err
}

// freeOutput is the last Cmd, whose Stdout is to be set.
func (p *Pipeline) freeOutput() (last *Cmd, err error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	n := len(p.Cmds) - 1
	if last = p.Cmds[n]; last.Stdout != nil {
		return nil, p.failed(n, errors.New("exec: Stdout already set"))
	}
	return last, nil
}

// collector is a buffer for as much as is wanted.
func (p *Pipeline) collector() *collector {
	if p.MaxOutput == 0 {
		p.MaxOutput = p.Cmds[len(p.Cmds)-1].MaxOutput
	}
	return &collector{max: p.MaxOutput, over: func() { p.cut.Store(true); _ = p.Kill() }}
}

// inTurn lets several goroutines write.
type inTurn struct {
	mu sync.Mutex
	to io.Writer
}

func (w *inTurn) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// Start starts the programs and does not wait for their end. If the error is nil, you must
// call Wait.
//
// If one of the programs can't be started, Start kills and reaps those that it has started
// before, and returns a [*PipeError]. It starts none if it knows before that a Cmd can't be
// started: if Command did not find its program, or if a field is set that the pipeline needs.
func (p *Pipeline) Start() error {
	if err := p.check(); err != nil {
		return err
	}
	if p.started.Swap(true) {
		return errors.New("exec: already started")
	}
	begun := 0
	defer func() { // an Observer may panic
		if !p.running.Load() {
			p.abandon(begun)
		}
	}()
	if err := p.prepare(); err != nil {
		return err
	}
	for i, c := range p.Cmds {
		if err := c.create(); err != nil {
			return p.failed(i, err)
		}
		begun++
		c.child.keep(c.NoReap)
		c.tellStart()
	}
	p.watchTree()
	p.running.Store(true)
	for _, c := range p.Cmds {
		c.attach()
		c.awaitExec()
	}
	return nil
}

// check finds what is wrong before anything is done.
func (p *Pipeline) check() error {
	if len(p.Cmds) == 0 {
		return errors.New("exec: no command")
	}
	for i, c := range p.Cmds {
		if err := p.checkCmd(i, c); err != nil {
			return p.failed(i, err)
		}
	}
	return nil
}

func (p *Pipeline) checkCmd(i int, c *Cmd) error {
	switch {
	case c == nil:
		return errors.New("exec: no command")
	case slices.Contains(p.Cmds[:i], c):
		return errors.New("exec: the same Cmd twice in a pipeline")
	case atomic.LoadInt32(&c.started) != 0:
		return errors.New("exec: already started")
	case c.Err != nil:
		return c.Err
	case c.Path == "":
		return errors.New("exec: no command")
	case i > 0 && c.Stdin != nil:
		return errors.New("exec: Stdin already set")
	case i < len(p.Cmds)-1 && c.Stdout != nil:
		return errors.New("exec: Stdout already set")
	case p.keeps() && c.keeps():
		return errors.New("exec: the Cmd has a Tree of its own, and so has the pipeline")
	case c.ctx == nil && c.Cancel != nil:
		return errCancelWithoutContext()
	}
	return nil
}

// keeps reports whether there is to be a tree for all.
func (p *Pipeline) keeps() bool { return p.Tree || p.Limits != spawn.Limits{} }

// prepare makes what the programs have in common.
func (p *Pipeline) prepare() (err error) {
	if p.keeps() {
		if p.tree, err = spawn.NewTree(p.Limits); err != nil {
			return fmt.Errorf("exec: no tree for the pipeline: %w", err)
		}
		for _, c := range p.Cmds {
			c.Attr = append(slices.Clip(c.Attr), p.tree.Attr())
		}
	}
	for _, c := range p.Cmds {
		if p.tree == nil && len(c.Stop) == 0 {
			c.Stop = p.Stop
		}
	}
	p.share()
	for i, c := range p.Cmds[1:] {
		r, w, err := childPipe()
		if err != nil {
			return err
		}
		prev := p.Cmds[i]
		prev.Stdout, c.Stdin = w, r
		prev.streams.child = append(prev.streams.child, w)
		c.streams.child = append(c.streams.child, r)
	}
	return nil
}

// abandon ends the first programs, which were started, and lets go of all.
func (p *Pipeline) abandon(begun int) {
	for i, c := range p.Cmds {
		if i < begun {
			_ = c.Kill() // Wait waits for the end
		}
		c.streams.jobs = nil
		closeAll(&c.streams.child)
		closeAll(&c.streams.parent)
		c.dropTerminal()
		atomic.StoreInt32(&c.started, 1)
	}
	var panicked any
	for _, c := range p.Cmds[:begun] {
		if v := c.waitCaught(); v != nil { // there is a better reason than its error
			panicked = v
		}
	}
	_ = p.letGo()
	if panicked != nil {
		panic(panicked)
	}
}

// letGo lets go of the contexts and of the tree, which is to be empty.
func (p *Pipeline) letGo() error {
	p.stopWatching()
	if p.tree == nil {
		return nil
	}
	if idle := p.steps.stopping(); idle != nil {
		<-idle
	}
	return p.tree.Close()
}

// Wait waits for all programs to end and for the copying of their streams, and then
// releases the resources of the pipeline. You may call it any number of times. The errors
// are those of [Pipeline.Run].
func (p *Pipeline) Wait() error {
	if !p.running.Load() {
		return errors.New("exec: not started")
	}
	p.waiting.Do(p.waitAll)
	return p.err
}

// waitAll is Wait once. Each program has somebody who waits for it: with a tree of its own,
// only the end of that closes the pipe that others wait for. An Observer may panic: all is
// done before the caller is told.
func (p *Pipeline) waitAll() {
	panics := make([]any, len(p.Cmds))
	var all sync.WaitGroup
	for i, c := range p.Cmds[1:] {
		all.Go(func() { panics[i+1] = c.waitCaught() })
	}
	defer func() {
		all.Wait()
		p.finish()
		for _, v := range panics {
			if v != nil {
				panic(v)
			}
		}
	}()
	panics[0] = p.Cmds[0].waitCaught()
}

// waitCaught is Wait, and returns what it panics with.
func (c *Cmd) waitCaught() (panicked any) {
	defer func() { panicked = recover() }()
	_ = c.Wait() // finish asks
	return nil
}

// finish is the end of Wait, when all programs have ended.
func (p *Pipeline) finish() {
	errs := make([]error, len(p.Cmds))
	for i, c := range p.Cmds {
		errs[i] = c.waits.result()
	}
	if p.stopWatching() && p.tree != nil {
		_ = p.endTree() // until it is over
	}
	why := p.why(errs)
	if err := p.letGo(); why == nil && err != nil {
		why = err
	}
	p.err = p.result(errs, why)
	p.over.Store(true)
}

// Kill kills all programs and, with a tree, their descendants. If there is nothing to kill,
// it returns [os.ErrProcessDone].
func (p *Pipeline) Kill() error {
	if !p.running.Load() {
		return errors.New("exec: not started")
	}
	if p.over.Load() {
		return os.ErrProcessDone
	}
	if p.tree == nil {
		return killEach(p.Cmds)
	}
	none := p.tree.Wait(over) == nil
	_, err := p.tree.Kill()
	if fakes := p.killFakes(); err == nil && (none || !errors.Is(fakes, os.ErrProcessDone)) {
		return fakes
	}
	return err
}

// killFakes kills those that a Runner runs. They are in no tree.
func (p *Pipeline) killFakes() error {
	return killEach(slices.DeleteFunc(slices.Clone(p.Cmds), func(c *Cmd) bool { return c.fake == nil }))
}

// killEach is Kill of some programs.
func killEach(cmds []*Cmd) error {
	done := true
	var failed error
	for _, c := range cmds {
		if err := c.Kill(); err == nil {
			done = false
		} else if !errors.Is(err, os.ErrProcessDone) && failed == nil {
			failed = err
		}
	}
	if failed == nil && done {
		return os.ErrProcessDone
	}
	return failed
}

// Shutdown stops all programs at once by the steps of Stop, and waits for their end as
// [Pipeline.Wait] does. Without Stop, each Cmd has its own steps, as with [Cmd.Shutdown].
// With a tree, the signals go to the whole tree. You may call it beside Wait.
//
// If ctx ends first, Shutdown returns ctx.Err() and sends nothing more. If a process is still
// alive after the last step, the error matches [spawn.ErrStillAlive]. How the programs have
// ended is no error: ProcessState of each Cmd says it.
func (p *Pipeline) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("nil Context")
	}
	if !p.running.Load() {
		return errors.New("exec: not started")
	}
	if p.tree != nil {
		if err := p.stopTree(ctx); err != nil {
			return err
		}
	}
	errs := make([]error, len(p.Cmds))
	var all sync.WaitGroup
	for i, c := range p.Cmds {
		all.Go(func() { errs[i] = c.shutdown(ctx) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	_ = p.Wait() // the statuses are no error, and there are no others
	return nil
}

// stopTree takes the steps of Shutdown.
func (p *Pipeline) stopTree(ctx context.Context) error {
	p.steps.hold()
	defer p.steps.letGo()
	list := p.Stop
	if len(list) == 0 {
		list = spawn.Graceful(usualGrace)
	}
	_, err := p.tree.Stop(ctx, list...)
	return err
}

// SpawnTree returns the tree of the pipeline, for its Holds and Usage. It is nil before
// Start, and without Tree. Wait closes it.
func (p *Pipeline) SpawnTree() *spawn.Tree { return p.tree }
