package spawn

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/safespawn/spawn/internal/logs"
	"github.com/safespawn/spawn/internal/plan"
)

// Observer is told when children start and end. [Counters] is one that counts, and
// package otelspawn, a module of its own, has one for OpenTelemetry.
//
// For each start there is one call of Started: for a child that runs its program, and
// for a start that has failed. The goroutine that starts the child makes the call
// before Start returns. For each child there is one call of Ended, after the child was
// reaped and before [Process.Done] is closed. The goroutine that has reaped the child
// makes it. If nobody waits for the child, the call comes with the release of the
// Process.
//
// No lock is held during the calls, so an Observer may call anything, and may start
// children itself. Calls may come from any number of goroutines at once. A start and
// the end of a child take as long as the calls. An Observer that panics does not harm
// the child: it is waited for all the same. A nil pointer counts as no Observer.
type Observer interface {
	Started(Event)
	Ended(Event)
}

// Event is what an [Observer] learns. There are no arguments and no environment in it.
type Event struct {
	// ID is the same in Started and Ended of one child. It is the number of the start
	// in this process, among all that are observed. A Pid may come again, an ID does not.
	ID uint64
	// Context is the context of the start, for its values. It may have ended.
	Context context.Context
	// Path is the program, as in the Spec.
	Path string
	// Pid is the process id of the child. It is 0 if the start has failed.
	Pid int
	// Begin is when Start was called.
	Begin time.Time
	// Phases says how long the start took.
	Phases Phases
	// Step is the name of the step that failed, as in Error.Step. It is empty if the
	// start has not failed, or if its context has ended.
	Step string
	// Err is why the start failed. In Ended it is why the status was lost. Most of the
	// time it is nil.
	Err error
	// State says how the child ended, and what it has used. It is nil in Started, and
	// where the status was lost.
	State *ProcessState
	// Lived is the time from the end of the start until the child was reaped. It is 0
	// in Started.
	Lived time.Duration
}

// Phases are the parts of the time that a start takes. They follow each other, and
// their sum is the time from the call of Start until the child is past execve, or the
// start has failed.
//
// A phase that can't be told from the next one is 0, and its time is in the next one.
// The child reads the clock for Clone and Steps, by two system calls that are there
// only with an Observer. If the child does not share the memory of this process, or
// fails before it comes to the second call, both are in Execve. They are there without
// the engine, too.
type Phases struct {
	// Queue is the time in the line of a [Limiter], including the tries that failed.
	Queue time.Duration
	// Prepare is the time in this process before the clone and after the execve: for
	// Compile, for locks, and for what the start looks up.
	Prepare time.Duration
	// Clone is the time from the system call until the child runs.
	Clone time.Duration
	// Steps is the time for all of the child's steps but the last two.
	Steps time.Duration
	// Execve is the time for attr.Seccomp and execve, and until this process knows that
	// the child is past execve.
	Execve time.Duration
}

// Total is the sum of the phases.
func (p Phases) Total() time.Duration { return p.Queue + p.Prepare + p.Clone + p.Steps + p.Execve }

// observed is a child, and who is to be told of its end.
type observed struct {
	observer Observer
	event    Event
	ran      time.Time // since when it has run its program
}

// usedObserver is nil where there is none, or a nil pointer.
func usedObserver(o Observer) Observer {
	if logs.IsNil(o) {
		return nil
	}
	return o
}

var lastEvent atomic.Uint64

// newEvent is the beginning of what is said about a start.
func newEvent(ctx context.Context, path string) Event {
	return Event{ID: lastEvent.Add(1), Context: ctx, Path: path, Begin: time.Now()}
}

// failed notes why a start has failed.
func (e *Event) failed(err error) {
	e.Err = err
	var failure *Error
	if errors.As(err, &failure) {
		e.Step = failure.Step
	}
}

// observe is startLimited for an Observer.
func (p *Program) observe(ctx context.Context, e Event, o *plan.Handover) (*Process, error) {
	begin := time.Now()
	proc, times, queue, err := p.startLimited(ctx, o)
	now := time.Now()
	e.Phases.Queue = queue
	e.Phases.divide(now.Sub(begin)-queue, times)
	e.Phases.Prepare += begin.Sub(e.Begin)
	if err != nil {
		e.failed(err)
		p.observer.Started(e)
		return nil, err
	}
	e.Pid = proc.pid
	if o == nil {
		proc.observed = &observed{p.observer, e, now}
	}
	p.observer.Started(e)
	return proc, nil
}

// divide divides the time of a start by what the engine has measured.
func (p *Phases) divide(took time.Duration, t *plan.Times) {
	if t == nil { // it did not come to a clone
		p.Prepare = took
		return
	}
	end := min(t.End-t.Clone, took)
	p.Prepare, p.Execve = took-end, end
	if t.Clone <= t.First && t.First <= t.Last && t.Last <= t.Clone+end {
		p.Clone, p.Steps, p.Execve = t.First-t.Clone, t.Last-t.First, t.Clone+end-t.Last
	}
}

// end tells of the end.
func (o *observed) end(state *ProcessState, err error) {
	e := o.event
	e.State, e.Err, e.Lived = state, err, time.Since(o.ran)
	o.observer.Ended(e)
}
