package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
)

// share lets the end of one context end all programs.
func (p *Pipeline) share() {
	p.addEnd(p.given)
	for _, c := range p.Cmds {
		p.addEnd(c.ctx)
	}
	if len(p.ends) == 0 {
		return
	}
	for _, c := range p.Cmds {
		if c.ctx == nil {
			c.Cancel = c.Kill
		}
		c.ctx = p.join(c.ctx)
		p.adoptCancel(c)
	}
	if len(p.cancels) > 0 {
		p.watch()
	}
}

// addEnd adds a context to those that end the pipeline.
func (p *Pipeline) addEnd(ctx context.Context) {
	same := func(e context.Context) bool { return sameContext(e, ctx) }
	if ctx != nil && ctx.Done() != nil && !slices.ContainsFunc(p.ends, same) {
		p.ends = append(p.ends, ctx)
	}
}

// join is a context with the values of another, that all of ends end.
func (p *Pipeline) join(own context.Context) context.Context {
	if len(p.ends) == 1 && (own == nil || sameContext(own, p.ends[0])) {
		return p.ends[0]
	}
	if own == nil {
		own = context.Background()
	}
	ctx, cancel := context.WithCancelCause(own)
	p.cancels = append(p.cancels, cancel)
	return &joint{ctx, &p.first}
}

// watch ends the contexts of join with the first that ends.
func (p *Pipeline) watch() {
	for _, e := range p.ends {
		p.unwatch = append(p.unwatch, context.AfterFunc(e, func() {
			p.first.CompareAndSwap(nil, &e)
			for _, cancel := range p.cancels {
				cancel(context.Cause(e))
			}
		}))
	}
}

// stopWatching lets go of the contexts. ended says that the end of one was seen.
func (p *Pipeline) stopWatching() (ended bool) {
	for _, stop := range p.unwatch {
		if !stop() {
			ended = true
		}
	}
	p.unwatch = nil
	for _, cancel := range p.cancels {
		cancel(nil)
	}
	return ended
}

// ended is the context that has ended first. It is nil as long as none has.
func (p *Pipeline) ended() context.Context {
	if first := p.first.Load(); first != nil {
		return *first
	}
	for _, e := range p.ends {
		if e.Err() != nil {
			return e
		}
	}
	return nil
}

// joint is a context that ends with the first of several, and says how that has ended.
type joint struct {
	context.Context
	first *atomic.Pointer[context.Context]
}

func (j *joint) Err() error {
	err := j.Context.Err()
	if first := j.first.Load(); err != nil && first != nil {
		return (*first).Err()
	}
	return err
}

// adoptCancel notes whether the end of the context has ended c, and with a tree ends that.
func (p *Pipeline) adoptCancel(c *Cmd) {
	cancel := c.Cancel
	if p.tree != nil {
		c.Stop, c.Cancel, c.joined = nil, p.endTree, true
		return
	}
	if cancel == nil {
		return
	}
	c.Cancel = func() error {
		err := cancel()
		if err == nil {
			p.interrupted.Store(true)
		}
		return err
	}
}

// watchTree ends the tree with the first context that ends. A Cmd watches until its program
// ends, and a descendant may hold a pipe for longer.
func (p *Pipeline) watchTree() {
	if p.tree == nil {
		return
	}
	for _, e := range p.ends {
		p.unwatch = append(p.unwatch, context.AfterFunc(e, func() { _ = p.endTree() }))
	}
}

// over is a context that only lets Tree.Wait look.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// endTree ends the tree because of the context, once. If there is nobody left, it returns
// os.ErrProcessDone.
func (p *Pipeline) endTree() error {
	p.ending.Do(func() { p.endErr = p.cutTree() })
	return p.endErr
}

func (p *Pipeline) cutTree() (err error) {
	some := p.tree.Wait(over) != nil
	if len(p.Stop) > 0 {
		_, err = p.tree.Stop(context.Background(), p.Stop...)
	} else {
		_, err = p.tree.Kill()
	}
	fakes := p.killFakes()
	switch some = some || fakes == nil; {
	case err != nil:
	case !errors.Is(fakes, os.ErrProcessDone):
		err = fakes
	case !some:
		err = os.ErrProcessDone
	}
	p.interrupted.Store(some)
	return err
}

// sameContext reports whether two contexts are equal. Values that can't be compared are
// different.
func sameContext(a, b context.Context) (equal bool) {
	defer func() { _ = recover() }()
	return a == b
}

// contextError is how a context has ended: its error, and its cause if that says more.
func contextError(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return fmt.Errorf("%w: %w", err, cause)
}
