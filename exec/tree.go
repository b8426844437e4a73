package exec

import (
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/logs"
)

// drainTime is how long what dead writers have left in a pipe may take to be read.
const drainTime = 100 * time.Millisecond

// logLoose logs why the tree is not held.
func (t *tree) logLoose(pid int, log spawn.Logger) {
	if log == nil {
		return
	}
	if e := log.Check(zapcore.DebugLevel, "tree is not held"); e != nil {
		e.Write(logs.Int("pid", pid), logs.Error(notHeld(t.held.Loose())))
	}
}

func notHeld(why error) error { return fmt.Errorf("%w: %w", ErrTreeNotHeld, why) }

// holds is TreeHolds.
func (t *tree) holds() error {
	if err := errors.Join(t.held.Loose(), t.held.Left()); err != nil {
		return notHeld(err)
	}
	return nil
}

// kill kills all that is left of the tree.
func (t *tree) kill() error { return t.held.KillNow() }

// reap kills what is left and calls f, which reaps the child.
func (t *tree) reap(f func() error) error {
	defer t.release()
	return t.held.Reap(t.lead, f)
}

// waitTree is Wait with Tree. The child is reaped last, so that its process group
// can be killed.
func (c *Cmd) waitTree() error {
	c.child.wait()
	c.waits.sawEnd()
	e, ended, late := c.awaitTree()
	if idle := c.waits.stopping(); idle != nil {
		<-idle
	}
	_ = c.tree.kill() // nothing may be left
	if !c.drained() {
		c.closePipes()
	}
	stop(e.timer)
	err := c.tree.reap(c.reap)
	c.over(err)
	c.logExit(c.ProcessState)
	if !ended {
		e = c.stopWatching()
		ended = e != ending{}
		stop(e.timer)
	}
	switch {
	case ended && c.ofContext(e.err):
		return c.because(e.err)
	case err != nil:
		return err
	case ended && e.err != nil:
		return e.err
	case late:
		return ErrWaitDelay
	case c.streams.group != nil:
		return c.streams.group.result()
	}
	return nil
}

// awaitTree waits, when the child has ended, for the pipes to be closed by all
// that have them, for the end of the context, or until WaitDelay is over.
func (c *Cmd) awaitTree() (e ending, ended, late bool) {
	var delay <-chan time.Time
	if c.WaitDelay != 0 {
		t := time.NewTimer(c.WaitDelay)
		defer t.Stop()
		delay = t.C
	}
	select {
	case <-c.streams.copied():
		return e, false, false
	case <-delay:
		return e, false, true
	case e = <-c.ended:
	}
	if e.timer == nil {
		return e, true, false
	}
	select {
	case <-c.streams.copied():
	case <-e.timer.C:
	}
	return e, true, false
}

// drained waits for a short time for the copying to end by itself.
func (c *Cmd) drained() bool {
	t := time.NewTimer(drainTime)
	defer t.Stop()
	select {
	case <-c.streams.copied():
		return true
	case <-t.C:
		return false
	}
}
