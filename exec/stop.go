package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
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
// if you want the process to be killed then. If a process is still alive after the last
// step, the error matches [spawn.ErrStillAlive]. Otherwise the error is the one of Wait,
// but never an *[ExitError]: ProcessState says how the process has ended.
func (c *Cmd) Shutdown(ctx context.Context) error {
	if ctx == nil {
		panic("nil Context")
	}
	if c.Process == nil {
		return errors.New("exec: not started")
	}
	list := c.Stop
	if len(list) == 0 {
		list = spawn.Graceful(usualGrace)
	}
	c.waits.hold() // before there is a Wait, which would kill what is left of a tree
	mine, done := c.waits.join()
	if mine {
		go c.wait()
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
		return steps.Run(ctx, treeTarget{c.tree.held, c.waits.gone()}, own)
	}
	return steps.Run(ctx, alone{c}, own)
}

// treeTarget is a tree as Stop ends it.
type treeTarget struct {
	*spawntree.Tree
	gone <-chan struct{} // closed when Wait has seen the end, and ends the rest itself
}

// Await waits until nobody is known to be left.
func (t treeTarget) Await(ctx context.Context) error {
	if err := t.Wait(ctx); err != nil {
		return err
	}
	if t.Alive() >= 0 {
		return nil
	}
	select {
	case <-t.gone:
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
	return c.ctx.Err()
}

// stopped reports whether the steps of Stop have ended the process because of the end of
// the context.
func (c *Cmd) stopped(e ending) bool {
	return len(c.Stop) > 0 && e.err != nil && errors.Is(e.err, c.ctx.Err())
}

// alone is a process without its tree.
type alone struct{ *Cmd }

func (a alone) Signal(sig os.Signal) error { return a.Process.Signal(sig) }

// maxLook is the longest time between two looks for the end.
const maxLook = 10 * time.Millisecond

// Await waits for Wait to see the end. As long as nobody is in Wait, it looks by itself.
func (a alone) Await(ctx context.Context) error {
	gone := a.waits.gone()
	for pause := 100 * time.Microsecond; ; pause = min(2*pause, maxLook) {
		if a.child.over() || a.Process.Signal(syscall.Signal(0)) == os.ErrProcessDone {
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
	if a.child.over() {
		return 0
	}
	return 1
}

// waits is who waits for a process. A Cmd may be copied before Start, so that it has no
// lock of its own.
type waits struct {
	begun bool          // somebody is in Wait, or was
	shut  bool          // Shutdown began it, and the next Wait gets the result
	err   error         // the result
	over  bool          // there is one
	done  chan struct{} // closed then; nil until somebody wants it
	seen  bool          // the end of the process
	ended chan struct{} // closed then; nil until somebody wants it
	steps int           // how many are stopping the process
	idle  chan struct{} // closed when nobody does any more
}

var waitsLock sync.Mutex

// begin reports whether the caller is the one who waits. If not, it has to wait for done,
// or gets an error.
func (w *waits) begin() (mine bool, done <-chan struct{}, err error) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	switch {
	case !w.begun:
		w.begun = true
		return true, nil, nil
	case w.shut:
		w.shut = false
		return false, closedWhen(&w.done, w.over), nil
	}
	return false, nil, errors.New("exec: Wait was already called")
}

// join is begin for Shutdown, which may wait for done in any case.
func (w *waits) join() (mine bool, done <-chan struct{}) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	if !w.begun {
		w.begun, w.shut, mine = true, true, true
	}
	return mine, closedWhen(&w.done, w.over)
}

// gone returns what is closed when the process has ended.
func (w *waits) gone() <-chan struct{} {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	return closedWhen(&w.ended, w.seen)
}

// closedWhen makes a channel, which is closed where that has happened already.
func closedWhen(c *chan struct{}, already bool) <-chan struct{} {
	if *c == nil {
		*c = make(chan struct{})
		if already {
			close(*c)
		}
	}
	return *c
}

// sawEnd says that the process has ended.
func (w *waits) sawEnd() {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	w.seen = true
	if w.ended != nil {
		close(w.ended)
	}
}

// finish keeps the result.
func (w *waits) finish(err error) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	w.over, w.err = true, err
	if w.done != nil {
		close(w.done)
	}
}

func (w *waits) result() error {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	return w.err
}

// hold says that somebody stops the process: what is left of its tree gets its time.
func (w *waits) hold() {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	if w.steps++; w.steps == 1 {
		w.idle = make(chan struct{})
	}
}

func (w *waits) letGo() {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	if w.steps--; w.steps == 0 {
		close(w.idle)
		w.idle = nil
	}
}

// stopping returns what is closed when nobody stops the process any more. It is nil when
// nobody does.
func (w *waits) stopping() <-chan struct{} {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	return w.idle
}
