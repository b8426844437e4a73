package exec

import (
	"context"
	"errors"
	"sync"

	"github.com/safespawn/spawn"
)

// Wait waits for the program to end and for the copying of its streams, and then
// releases the resources of the Cmd. Call it after Start. The errors are those of
// [Cmd.Run].
//
// You may call Wait any number of times, at once or one after the other, and the result
// is always the same. With os/exec the second call is an error.
func (c *Cmd) Wait() error {
	if c.Process == nil {
		return errNotStarted()
	}
	mine, done := c.waits.begin()
	if mine {
		c.wait()
		return c.waits.result()
	}
	<-done
	return c.result()
}

// Done returns a channel. The channel is closed when Wait has a result to return. If
// nobody is in Wait, Done begins a Wait in the background: what the comment of
// StdoutPipe says of Wait holds for Done, too. If the Observer panics there, the next call
// of Wait, WaitContext or Shutdown does. Before Start, Done returns nil.
func (c *Cmd) Done() <-chan struct{} {
	if c.Process == nil {
		return nil
	}
	mine, done := c.waits.join()
	if mine {
		go c.waitBehind()
	}
	return done
}

// WaitContext is Wait with a bound. If ctx ends first, WaitContext returns ctx.Err() and
// does not touch the program: you may wait for it again. Unlike ctx, the context of
// [CommandContext] ends the program. A nil ctx panics.
//
// The Wait that WaitContext begins goes on in the background after ctx.Err(), as with
// [Cmd.Done]. It closes the pipes of StdoutPipe and StderrPipe when the program has ended, so
// read everything before you call WaitContext, or set BufferPipes.
func (c *Cmd) WaitContext(ctx context.Context) error {
	if ctx == nil {
		panic("nil Context")
	}
	if c.Process == nil {
		return errNotStarted()
	}
	if ctx.Done() == nil {
		return c.Wait()
	}
	done := c.Done()
	select {
	case <-done:
	case <-ctx.Done():
		select {
		case <-done:
		default:
			return ctx.Err()
		}
	}
	return c.result()
}

// Spawned returns the process as package spawn knows it, for what it has beyond package
// os: Events, PeakRSS, WithPidfd, WaitExited, SignalTree. It shares the pidfd of Process. You may wait
// by it, too: Wait gets the same status. Logger and Observer are those of the Cmd. If
// Process was released before, or waited for, the error of spawn's Wait is
// [spawn.ErrStatusTaken].
//
// Before Linux 5.4 there is no pidfd to share: Stop and WaitExited do not keep Wait of the
// Cmd from reaping the child.
//
// Before Start, without the engine, and with a [Runner], Spawned returns nil.
func (c *Cmd) Spawned() *spawn.Process {
	if c.Process == nil || c.fake != nil {
		return nil
	}
	return c.child.spawned()
}

// Applied says what became of the attributes of [attr.Optional] in Attr, as the Applied method
// of a [spawn.Process] does. Index counts in Attr. Before Start, and with a [Runner], Applied
// returns nil.
func (c *Cmd) Applied() []spawn.Applied {
	if c.child.started == nil {
		return nil
	}
	return c.child.started.Applied()
}

func errNotStarted() error { return errors.New("exec: not started") }

// wait is Wait for the one who waits.
func (c *Cmd) wait() {
	defer c.waits.told()
	c.waitAndTell()
}

// waitBehind is wait in the background. What it panics with is for those who ask for the
// result.
func (c *Cmd) waitBehind() {
	defer c.waits.told()
	defer func() { c.waits.caught(recover()) }()
	c.waitAndTell()
}

func (c *Cmd) waitAndTell() {
	err := errors.New("exec: Wait has panicked")
	defer c.tellEnd() // when all else is done: an Observer may panic
	defer func() { c.waits.finish(err) }()
	err = c.waitAll()
}

// result is the result of a Wait that is over.
func (c *Cmd) result() error {
	c.panicAgain()
	return c.waits.result()
}

// panicAgain panics with what a Wait in the background has panicked with, once.
func (c *Cmd) panicAgain() {
	if v := c.waits.caught(nil); v != nil {
		panic(v)
	}
}

// waits is who waits for a process. A Cmd may be copied before Start, so that it has no
// lock of its own.
type waits struct {
	begun bool          // somebody is in Wait, or was
	err   error         // the result
	over  bool          // there is one
	done  chan struct{} // closed when all were told; nil until somebody wants it
	seen  bool          // the end of the process
	ended chan struct{} // closed then; nil until somebody wants it
	steps int           // how many are stopping the process
	idle  chan struct{} // closed when nobody does any more
	fault any           // what the background has panicked with
}

var waitsLock sync.Mutex

// begin reports whether the caller is the one who waits. If not, it has to wait for done.
func (w *waits) begin() (mine bool, done <-chan struct{}) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	if !w.begun {
		w.begun = true
		return true, nil
	}
	return false, w.doneLocked()
}

// join is begin for somebody who may wait for done in any case.
func (w *waits) join() (mine bool, done <-chan struct{}) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	mine = !w.begun
	w.begun = true
	return mine, w.doneLocked()
}

// doneLocked returns what is closed when there is a result and the Observer was told. An
// Observer may wait, too.
func (w *waits) doneLocked() <-chan struct{} {
	if w.over {
		return closed
	}
	return closedWhen(&w.done, false)
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
}

// told lets go those who wait for the result.
func (w *waits) told() {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	if w.done != nil {
		close(w.done)
	}
}

func (w *waits) result() error {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	return w.err
}

// caught keeps what was panicked with, and returns what it has kept before.
func (w *waits) caught(v any) (before any) {
	waitsLock.Lock()
	defer waitsLock.Unlock()
	before, w.fault = w.fault, v
	return before
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
