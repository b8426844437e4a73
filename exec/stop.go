package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/safespawn/spawn"
	steps "github.com/safespawn/spawn/internal/stop"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// usualGrace is what Shutdown gives a process without Stop.
const usualGrace = 10 * time.Second

// Shutdown stops the process by the steps of Stop, and waits for its end as [Cmd.Wait]
// does. Without Stop, the steps are spawn.Graceful(10 * time.Second). With Tree, the
// signals go to the whole tree.
//
// It makes no difference whether somebody is in Wait, has been, or never will be: you may
// call Wait and Shutdown at once, and Wait after Shutdown. You may also call Shutdown
// several times, from several goroutines.
//
// If ctx ends first, Shutdown returns ctx.Err(), and sends nothing more. Call [Cmd.Kill]
// if you want the process to be killed then. If nobody is in Wait, Shutdown begins a Wait in
// the background, which goes on then, as with [Cmd.Done]. With Tree, that Wait kills the rest
// of the tree when it has nothing left to wait for, as any Wait does. If a process is still alive after the last
// step, the error matches [spawn.ErrStillAlive]. Otherwise the error is the one of Wait,
// but never an *[ExitError]: ProcessState says how the process has ended.
func (c *Cmd) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("nil Context")
	}
	if c.Process == nil {
		return errNotStarted()
	}
	err := c.shutdown(ctx)
	c.panicAgain()
	return err
}

// shutdown is Shutdown after Start. An Observer that panics is for others.
func (c *Cmd) shutdown(ctx context.Context) error {
	list := c.Stop
	if len(list) == 0 {
		list = spawn.Graceful(usualGrace)
	}
	c.waits.hold() // before there is a Wait, which would kill what is left of a tree
	mine, done := c.waits.join()
	if mine {
		go c.waitBehind()
	}
	_, err := c.takeSteps(ctx, list)
	c.waits.letGo()
	if err != nil {
		return err
	}
	select {
	case <-done:
	case <-ctx.Done():
		return ctx.Err()
	}
	err = c.waits.result()
	var exit *ExitError
	if errors.As(err, &exit) {
		return nil
	}
	return err
}

// takeSteps stops the process, or the tree.
func (c *Cmd) takeSteps(ctx context.Context, list []spawn.StopStep) (steps.Result, error) {
	c.waits.hold()
	defer c.waits.letGo()
	own := make([]steps.Step, len(list))
	for i, s := range list {
		own[i] = steps.Step(s)
	}
	if c.tree != nil {
		return steps.Run(ctx, treeTarget{c.tree.held, c}, own)
	}
	return steps.Run(ctx, alone{c}, own)
}

// treeTarget is a tree as Stop ends it.
type treeTarget struct {
	*spawntree.Tree
	cmd *Cmd
}

// Await waits until nobody is known to be left.
func (t treeTarget) Await(ctx context.Context) error {
	if err := t.Wait(ctx); err != nil {
		return err
	}
	if t.Loose() == nil || t.Alive() >= 0 {
		return nil
	}
	if err := (alone{t.cmd}).Await(ctx); err != nil {
		return err
	}
	select {
	case <-t.cmd.waits.gone(): // Wait ends the rest itself
		return nil
	default:
		return steps.ErrUnknown
	}
}

func (t treeTarget) Left() int { return t.Alive() }

// cancelBySteps is cancel with Stop.
func (c *Cmd) cancelBySteps() error {
	switch r, err := c.takeSteps(context.WithoutCancel(c.ctx), c.Stop); {
	case err != nil:
		return fmt.Errorf("exec: stopping Cmd: %w", err)
	case r.Step < 0: // it had ended
		return nil
	}
	return c.contextErr()
}

// alone is a process without its tree.
type alone struct{ *Cmd }

func (a alone) Signal(sig os.Signal) error { return a.signal(sig) }

// maxLook is the longest time between two looks for the end.
const maxLook = 10 * time.Millisecond

// Await waits for Wait to see the end. As long as nobody is in Wait, it looks by itself.
func (a alone) Await(ctx context.Context) error {
	gone := a.waits.gone()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, maxLook) {
		if a.hasEnded() || a.signal(syscall.Signal(0)) == os.ErrProcessDone {
			return nil
		}
		select {
		case <-gone:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

func (a alone) Left() int {
	if a.hasEnded() {
		return 0
	}
	return 1
}
