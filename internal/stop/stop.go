// Package stop ends processes step by step. It has the one loop for a child, for its
// group, for a tree and for a Cmd.
package stop

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"
)

// Step is a signal, and how long what has got it may take to end.
type Step struct {
	Signal os.Signal
	Grace  time.Duration
}

// Result is what came of it.
type Result struct {
	Step int
	Took time.Duration
	Left int
}

// Target is what is to end.
type Target interface {
	// Signal sends a signal to all that is left. os.ErrProcessDone is no failure: Await
	// says whether there is anybody left.
	Signal(sig os.Signal) error
	// Await waits until nothing is left. When the context ends before that, it returns
	// the error of the context. ErrUnknown and fs.ErrPermission end it early.
	Await(ctx context.Context) error
	// Left is how many processes are alive, Unknown where this can't be told.
	Left() int
}

// Unknown is a number of processes that can't be told.
const Unknown = -1

var (
	// ErrUnknown says that what is known has ended, and that there may be more.
	ErrUnknown = errors.New("unknown whether there are more processes")
	// ErrLeft says that something is alive after the last step.
	ErrLeft = errors.New("spawn: alive after the last step")
)

// ended is a context that only lets Await look.
var ended = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// Run takes the steps one after the other, until nothing is left of t.
func Run(ctx context.Context, t Target, steps []Step) (Result, error) {
	r := Result{Step: -1}
	if err := Check(steps); err != nil {
		return r, err
	}
	begin := time.Now()
	refused, err := run(ctx, t, steps, &r.Step)
	r.Took = time.Since(begin)
	if err == nil {
		return r, nil
	}
	r.Left = t.Left()
	if errors.Is(err, ErrUnknown) {
		return r, nil
	}
	if refused != nil && !errors.Is(err, refused) {
		err = fmt.Errorf("%w; and %w", err, refused)
	}
	return r, err
}

// Check finds steps that can't be taken.
func Check(steps []Step) error {
	if len(steps) == 0 {
		return fmt.Errorf("spawn: Stop without steps: %w", syscall.EINVAL)
	}
	for i, s := range steps {
		if s.Signal == nil || s.Grace < 0 {
			return fmt.Errorf("spawn: step %d of Stop: signal %v, grace %v: %w", i, s.Signal, s.Grace, syscall.EINVAL)
		}
	}
	return nil
}

// run returns nil when nothing is left, and else why it stops. refused are the errors of
// signals. It keeps the number of the step in step.
func run(ctx context.Context, t Target, steps []Step, step *int) (refused, err error) {
	if err := t.Await(ended); err == nil {
		return nil, nil
	}
	for i, s := range steps {
		if err := ctx.Err(); err != nil {
			return refused, err
		}
		*step = i
		last := i == len(steps)-1
		sent := send(t, s.Signal)
		switch err = awaitStep(ctx, t, s, sent, last); {
		case err == nil:
			return nil, nil
		case ctx.Err() != nil:
			return join(refused, sent), ctx.Err()
		}
		refused = join(refused, sent)
		if errors.Is(err, fs.ErrPermission) {
			refused = join(refused, err)
		}
	}
	if !errors.Is(err, ErrUnknown) {
		err = ErrLeft
	}
	return refused, err
}

// awaitStep waits for the end after a step, but not for what has got no signal.
func awaitStep(ctx context.Context, t Target, s Step, sent error, last bool) error {
	switch {
	case sent != nil:
		return t.Await(ended)
	case s.Grace > 0 || !last:
		bounded, cancel := context.WithTimeout(ctx, s.Grace)
		defer cancel()
		return t.Await(bounded)
	}
	return t.Await(ctx)
}

// join is the first of two errors: the second says the same of a later step.
func join(first, second error) error {
	if first != nil {
		return first
	}
	return second
}

// send sends a signal, and CONT so that what is stopped can act on it.
func send(t Target, sig os.Signal) error {
	err := t.Signal(sig)
	if err == nil && Wakes(sig) {
		err = t.Signal(cont)
	}
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}
