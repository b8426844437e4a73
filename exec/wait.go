package exec

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/logs"
)

// ending is what came of the end of the context.
type ending struct {
	err     error
	timer   *time.Timer // runs for what is left of WaitDelay
	settled bool        // WaitDelay is over and was seen to
}

// interrupt is called when the context ends. It sees to it that the process ends,
// and tells Wait.
func (c *Cmd) interrupt(ended chan<- ending) {
	if c.ContextError && c.tree == nil && !c.joined && c.hasEnded() {
		ended <- ending{} // by itself; of a tree something may be left
		return
	}
	e := ending{err: c.cancel()}
	if c.WaitDelay == 0 {
		ended <- e
		return
	}
	timer := time.NewTimer(c.WaitDelay)
	select {
	case ended <- ending{err: e.err, timer: timer}:
		return
	case <-timer.C:
	}
	e.settled = true
	c.settle(&e)
	ended <- e
}

// cancel calls Cancel and says what Wait is to return if the process ends well.
func (c *Cmd) cancel() error {
	if len(c.Stop) > 0 {
		return c.cancelBySteps()
	}
	if c.Cancel == nil {
		return nil
	}
	switch err := c.Cancel(); {
	case err == nil:
		return c.contextErr()
	case errors.Is(err, os.ErrProcessDone):
		return nil
	default:
		return fmt.Errorf("exec: canceling Cmd: %w", err)
	}
}

// settle ends everything after WaitDelay.
func (c *Cmd) settle(e *ending) {
	err := c.Kill()
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		e.err = fmt.Errorf("exec: killing Cmd: %w", err)
	}
	if c.ContextError && err == nil && !c.ofContext(e.err) {
		e.err = errors.Join(c.contextErr(), e.err)
	}
	g := c.streams.group
	if g == nil {
		return
	}
	select {
	case <-g.done:
		if e.err == nil && err != nil {
			e.err = g.result()
		}
	default:
		c.closePipes()
		if e.err == nil {
			e.err = ErrWaitDelay
		}
	}
}

// closeTime is how long what is in a pipe that is closed may take to be copied, and
// closePoll how often one looks whether only readers of the caller are left.
const (
	closeTime = time.Second
	closePoll = 5 * time.Millisecond
)

// closePipes ends the copying, and waits until it is over. What was written before
// is still copied with the engine, and else what was read. A reader or a writer of the caller
// that does not return does not hold it up for long.
func (c *Cmd) closePipes() {
	var pipes []io.Closer
	for _, p := range c.streams.parent {
		if _, ok := p.(bufferEnd); !ok {
			pipes = append(pipes, p)
		}
	}
	cutAll(pipes)
	for begin := time.Now(); time.Since(begin) < closeTime && c.streams.group.copies(); {
		select {
		case <-c.streams.copied():
			return
		case <-time.After(closePoll):
		}
	}
}

func (c *Cmd) waitAll() error {
	c.streams.widen()
	c.streams.finishLeft(c.unwatch != nil)
	var err error
	if c.tree != nil {
		err = c.waitTree()
	} else {
		err = c.waitProcess()
	}
	closeAll(&c.streams.parent)
	if atomic.LoadInt32(&c.cut) != 0 {
		return c.because(fmt.Errorf("%w (%d)", ErrMaxOutput, c.MaxOutput))
	}
	return err
}

func (c *Cmd) waitProcess() error {
	c.awaitEnd()
	err := c.reap()
	c.over(err)
	c.waits.sawEnd()
	c.logExit(c.ProcessState)
	e := c.stopWatching()
	if c.saysContext() && c.ofContext(e.err) {
		_ = c.finishCopies(e) // there is a better reason
		return c.because(e.err)
	}
	if err == nil {
		err = e.err
	}
	if cerr := c.finishCopies(e); err == nil {
		err = cerr
	}
	return err
}

// reap sets ProcessState. The process is over, or reap waits for it.
func (c *Cmd) reap() error {
	state, err := c.reapChild()
	c.ProcessState = state
	if errors.Is(err, syscall.ECHILD) {
		err = fmt.Errorf("%w: %w", spawn.ErrStatusTaken, err)
	}
	if err == nil && !state.Success() {
		err = &ExitError{ProcessState: state}
	}
	return err
}

// logExit logs the end.
func (c *Cmd) logExit(state *os.ProcessState) {
	log := logs.Used(c.Logger)
	if log == nil || state == nil {
		return
	}
	if e := log.Check(zapcore.DebugLevel, "exited"); e != nil {
		e.Write(logs.Int("pid", state.Pid()), logs.Stringer("status", state),
			logs.Duration("user", state.UserTime()), logs.Duration("system", state.SystemTime()))
	}
}

// stopWatching stops watching the context. If that has ended already, it returns
// what came of it.
func (c *Cmd) stopWatching() ending {
	if c.unwatch == nil || c.unwatch() {
		return ending{}
	}
	return <-c.ended
}

// finishCopies waits for the copying, but not longer than it may.
func (c *Cmd) finishCopies(e ending) error {
	g := c.streams.group
	if g == nil || e.settled {
		stop(e.timer)
		return nil
	}
	timer := e.timer
	if timer == nil {
		if c.WaitDelay == 0 {
			<-g.done
			return g.result()
		}
		timer = time.NewTimer(c.WaitDelay)
	}
	defer timer.Stop()
	select {
	case <-g.done:
		return g.result()
	default:
	}
	select {
	case <-g.done:
		return g.result()
	case <-timer.C:
		c.closePipes()
		return ErrWaitDelay
	}
}

func stop(t *time.Timer) {
	if t != nil {
		t.Stop()
	}
}

// because makes an error that is about how the process ended and about why it
// was made to.
func (c *Cmd) because(why error) error {
	if c.ProcessState == nil {
		return why
	}
	return &endError{&ExitError{ProcessState: c.ProcessState}, why}
}

// endError is the end of a process that this package has brought about.
type endError struct {
	exit *ExitError
	why  error
}

func (e *endError) Error() string { return e.exit.Error() + ": " + e.why.Error() }

func (e *endError) Unwrap() []error { return []error{e.exit, e.why} }
