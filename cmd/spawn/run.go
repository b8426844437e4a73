package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
)

// ending is how a program has ended.
type ending struct {
	state    *spawn.ProcessState
	wall     time.Duration
	timedOut bool
	passed   syscall.Signal // has ended the program of an init; 0: none that spawn has got, too
	preserve bool           // the program's own status counts all the same
	seen     int64          // peak memory while the program ran; 0 where it was not looked at
	group    int64          // peak memory of its cgroup, if known
	tree     *spawn.Usage   // nil where there is none
}

// status is the exit status that tells it.
func (e *ending) status() int {
	switch {
	case e.timedOut && e.state.Signaled() && (e.preserve || e.state.Signal() == syscall.SIGKILL):
		return statusSignal + int(e.state.Signal()) // as timeout(1)
	case e.timedOut && !e.preserve:
		return statusTimeout
	case e.state.Signaled():
		return bySignal + int(e.state.Signal())
	case e.passed != 0:
		return bySignal + int(e.passed)
	}
	return e.state.ExitCode()
}

// errTimeout is that --timeout was over before the program was running.
var errTimeout = errors.New("timed out")

// interrupted is a signal that came before the program was running.
type interrupted struct{ sig syscall.Signal }

func (i interrupted) Error() string { return i.sig.String() }

// run starts the program, passes signals on to it, and waits for it.
func run(p *spawn.Program, o *options) (*ending, error) {
	ctx := context.Background()
	if o.timeout != nil && *o.timeout > 0 {
		c, cancel := context.WithTimeoutCause(ctx, *o.timeout, errTimeout)
		defer cancel()
		ctx = c
	}
	pid, err := makePidFile(o.pidfile)
	if err != nil {
		return nil, err
	}
	defer pid.remove()
	r := newRelay(o)
	defer r.close()
	defer o.screen.restore()
	if !o.initHere {
		defer reapAsInit()()
	}
	outliveReaders()
	if o.foreground {
		tty := openTerminal()
		defer tty.close()
		group := tty.foreground()
		// The library would take the terminal away from the group that has it.
		if tty != nil && group != ownGroup() {
			return nil, errors.New("--foreground: spawn is not in the foreground itself")
		}
		defer tty.restore(group)
	}
	begin := time.Now()
	proc, err := r.start(ctx, p)
	o.close()
	if err != nil {
		return nil, o.ofInit(err)
	}
	if o.initHere {
		leaveGroup()
		go reapOthers(proc.Pid())
	}
	if err := o.persist(proc); err != nil {
		return nil, err
	}
	lacks := o.lacks(proc)
	o.told.started(proc, o, lacks)
	sayLacks(lacks)
	if err := pid.write(fmt.Sprintln(proc.Pid())); err != nil {
		complain(err) // the program runs
	}
	if o.stopped {
		complain("process", proc.Pid(), "is stopped; CONT, to it or to spawn, lets it go")
	}
	o.screen.begin()
	r.memory, r.progress = watchMemory(proc, o.stats != ""), showProgress(o.progress, proc, o.program[0])
	timedOut := r.wait(ctx, proc)
	state, err := proc.Wait(context.Background())
	if err != nil {
		return nil, err
	}
	e := &ending{state: state, wall: time.Since(begin), timedOut: timedOut, preserve: o.preserveStatus}
	if o.init {
		e.passed = r.passed(state.ExitCode())
	}
	o.screen.finish(r, timedOut)
	if o.stats != "" {
		e.seen, e.group, e.tree = r.memory.seen(), cgroupPeak(o.cgroup), o.usage()
	}
	return e, nil
}

// reapAsInit reaps orphans if this process is an init, until the returned function is
// called.
func reapAsInit() (stop func()) {
	if os.Getpid() != 1 {
		return func() {}
	}
	ctx, cancel := context.WithCancel(context.Background())
	var reaper sync.WaitGroup
	reaper.Go(func() {
		if err := spawn.Reap(ctx); ctx.Err() == nil {
			complain("orphans are not reaped: " + new(origin).message(err))
		}
	})
	return func() {
		cancel()
		reaper.Wait()
	}
}

// wanted are the signals to be passed on, but for those that are ignored: the
// program ignores them, too, unless it changes that.
func wanted() []os.Signal {
	var list []os.Signal
	for _, sig := range relayed {
		if !signal.Ignored(sig) {
			list = append(list, sig)
		}
	}
	return list
}

// relay passes on the signals that this process gets.
type relay struct {
	signals  chan os.Signal
	held     []os.Signal // came before the program was running
	got      []os.Signal // came at all
	tty      *terminal   // nil where none is shared with the program
	screen   *screen     // of --pty, or nil
	stopped  bool        // the program was started stopped
	tree     *spawn.Tree // nil where there is none
	steps    []spawn.StopStep
	kill     time.Duration // after a signal that ends programs; 0: never
	memory   *memoryWatch
	progress *progress
}

func newRelay(o *options) *relay {
	r := &relay{signals: make(chan os.Signal, 16), stopped: o.stopped, tree: o.held, screen: o.screen, steps: o.stopSteps()}
	if o.killAfter != nil {
		r.kill = *o.killAfter
	}
	list := wanted()
	if o.stopped {
		list = append(list, resuming...)
	}
	if o.initHere {
		list = append(list, others()...)
	}
	if o.screen != nil {
		list = append(list, stopping()...)
	}
	if len(list) > 0 {
		signal.Notify(r.signals, list...)
	}
	if !o.setsid && !o.pty && o.setpgid == nil && !o.ownGroups() {
		r.tty = openTerminal()
	}
	return r
}

func (r *relay) close() {
	signal.Stop(r.signals)
	r.tty.close()
}

// grace is for how long a signal that ends programs waits for the program to run.
// Start may be about to return while the program runs and can handle the signal.
const grace = 250 * time.Millisecond

// start starts the program. A child may be stuck on its way there, in opening a
// FIFO say; it has all signals blocked then, so those that end programs end the
// attempt.
func (r *relay) start(ctx context.Context, p *spawn.Program) (*spawn.Process, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var proc *spawn.Process
	var err error
	started := make(chan struct{})
	go func() {
		defer close(started)
		proc, err = p.Start(ctx)
	}()
	for {
		select {
		case <-started:
			if err != nil && ctx.Err() != nil {
				return nil, context.Cause(ctx)
			}
			return proc, err
		case sig := <-r.signals:
			r.held = append(r.held, sig)
			if s, ok := sig.(syscall.Signal); ok && ends(s) {
				defer time.AfterFunc(grace, func() { cancel(interrupted{s}) }).Stop()
			}
		}
	}
}

// wait passes signals on until the program has ended. It stops it when ctx ends, and
// reports whether it did. Meanwhile it looks at the program.
func (r *relay) wait(ctx context.Context, proc *spawn.Process) (timedOut bool) {
	defer r.progress.end()
	over := ctx.Done()
	var late <-chan time.Time // a signal was passed on, and the program has not ended
	pass := func(sig os.Signal) {
		r.got = append(r.got, sig)
		r.pass(proc, sig)
		if s, ok := sig.(syscall.Signal); ok && ends(s) && r.kill > 0 && late == nil && !timedOut {
			late = time.After(r.kill)
		}
	}
	for _, sig := range r.held {
		pass(sig)
	}
	var stopping sync.WaitGroup
	defer stopping.Wait()
	stop := func(steps []spawn.StopStep) {
		over, late, timedOut = nil, nil, true
		stopping.Go(func() { r.stop(proc, steps) })
	}
	for {
		select {
		case <-proc.Done():
			return timedOut
		case sig := <-r.signals:
			pass(sig)
		case <-r.memory.due():
			r.memory.look()
		case <-r.progress.due():
			r.progress.show()
		case <-over:
			stop(r.steps)
		case <-late:
			stop([]spawn.StopStep{{Signal: os.Kill}})
		}
	}
}

// stop stops the program, and the tree. The last step waits for as long as they live if
// it kills, and else for the program alone.
func (r *relay) stop(proc *spawn.Process, steps []spawn.StopStep) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := proc.Stop
	if r.tree != nil {
		stop = r.tree.Stop
	}
	if steps[len(steps)-1].Signal != os.Kill {
		go func() {
			defer cancel()
			if errors.Is(proc.WaitExited(ctx), errors.ErrUnsupported) {
				select {
				case <-proc.Done():
				case <-ctx.Done():
				}
			}
		}()
	}
	if _, err := stop(ctx, steps...); err != nil && ctx.Err() == nil {
		complain("--timeout: " + new(origin).message(err))
	}
}

// pass passes one signal on, unless the program has got it by itself. A program
// that is stopped has to go on to be ended by it, as with timeout(1).
func (r *relay) pass(proc *spawn.Process, sig os.Signal) {
	if r.screen.takes(sig) || !r.stopped && slices.Contains(resuming, sig) {
		return
	}
	var send []os.Signal
	sent := r.tty.sends(sig)
	if !sent {
		send = append(send, sig)
	}
	if s, ok := sig.(syscall.Signal); ok && ends(s) && (!sent || r.stopped) {
		send = append(send, resuming...)
	}
	for _, s := range send {
		// The program may have ended, or have other ids by now, which is its right.
		_ = proc.Signal(s)
	}
}

// passed is the signal that has ended the program of an init, which ends by a status, if
// this process has got that signal, too; else 0.
func (r *relay) passed(code int) syscall.Signal {
	if sig := syscall.Signal(code - statusSignal); slices.Contains(r.got, os.Signal(sig)) {
		return sig
	}
	return 0
}

// classify is the exit status for an error, and whether that says it all.
func classify(err error) (status int, silent bool) {
	var early interrupted
	var lookup *lookupError
	var failed *spawn.Error
	var ofInit *initError
	switch {
	case errors.Is(err, errTimeout):
		return statusTimeout, true
	case errors.As(err, &early):
		return bySignal + int(early.sig), true
	case errors.As(err, &ofInit):
		return statusError, false
	case errors.As(err, &lookup):
		return statusNotFound, false
	case errors.As(err, &failed) && failed.Step == spawn.StepExecve:
		// A missing interpreter is named as the object of the failure.
		missing := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
		if missing && failed.Object == failed.Path {
			return statusNotFound, false
		}
		return statusNotRun, false
	}
	return statusError, false
}
