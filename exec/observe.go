package exec

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/logs"
)

// seen is what an Observer is told of a process. It is the Observer of the Spec, and
// keeps what package spawn says of the start.
type seen struct {
	observer spawn.Observer
	event    spawn.Event
	ran      time.Time
	ended    bool // event is that of the end, of which the Observer is still to be told
}

// Started keeps the event of the last try.
func (s *seen) Started(e spawn.Event) { s.event = e }

// Ended does nothing: the process is waited for by this package.
func (s *seen) Ended(spawn.Event) {}

// observer is the Observer of the Spec.
func (c *Cmd) observer() spawn.Observer {
	if c.seen == nil {
		return nil
	}
	return c.seen
}

// launchSeen is launchLimited, and notes what the Observer is to be told.
func (c *Cmd) launchSeen(ctx context.Context, path string, files []*os.File, env []string) error {
	if logs.IsNil(c.Observer) {
		_, err := c.launchLimited(ctx, path, files, env)
		return err
	}
	c.seen = &seen{observer: c.Observer}
	e := handover.NewEvent(ctx, path)
	queue, err := c.launchLimited(ctx, path, files, env)
	now := time.Now()
	took := now.Sub(e.Begin) - queue
	told := &c.seen.event
	if e.Phases = told.Phases; told.ID == 0 {
		e.Phases.Execve = took
	}
	e.Phases.Prepare += took - e.Phases.Total()
	e.Phases.Queue = queue
	if err == nil {
		e.Pid = c.Process.Pid
	} else {
		e.Err = err
		var failed *spawn.Error
		if errors.As(err, &failed) {
			e.Step = failed.Step
		} else if !errors.Is(err, ctx.Err()) {
			e.Step = spawn.StepExecve // package os does not tell
		}
	}
	c.seen.event, c.seen.ran = e, now
	return err
}

// launchLimited is launch when the Limiter has a place. queue is the time until the last
// try began.
func (c *Cmd) launchLimited(ctx context.Context, path string, files []*os.File, env []string) (queue time.Duration, err error) {
	if c.Limiter == nil {
		return 0, c.make(ctx, path, files, env)
	}
	begin := time.Now()
	err = handover.Limit(ctx, c.Limiter, func() error {
		queue = time.Since(begin)
		return c.make(ctx, path, files, env)
	})
	if err == nil {
		c.place = c.Limiter
	}
	return queue, err
}

// tellStart tells the Observer of the start.
func (c *Cmd) tellStart() {
	if c.seen != nil {
		c.seen.observer.Started(c.seen.event)
	}
}

// over gives back the place of the Limiter, and notes the end for the Observer, unless that
// was done. err is why there is no state.
func (c *Cmd) over(err error) {
	if c.place != nil {
		handover.GiveBack(c.place)
		c.place = nil
	}
	if c.seen == nil {
		return
	}
	e := &c.seen.event
	e.Lived = time.Since(c.seen.ran)
	if e.State = stateOf(c.ProcessState); e.State == nil {
		e.Err = err
	}
	c.seen.ended = true
}

// tellEnd tells the Observer of the end, once.
func (c *Cmd) tellEnd() {
	if s := c.seen; s != nil && s.ended {
		c.seen = nil
		s.observer.Ended(s.event)
	}
}

// stateOf is the state in the words of package spawn.
func stateOf(s *os.ProcessState) *spawn.ProcessState {
	if s == nil {
		return nil
	}
	status, ok := s.Sys().(syscall.WaitStatus)
	if !ok {
		return nil
	}
	usage, _ := s.SysUsage().(*syscall.Rusage)
	return handover.NewState(s.Pid(), status, usage)
}
