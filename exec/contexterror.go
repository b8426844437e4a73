package exec

import (
	"context"
	"errors"
	"fmt"
)

// saysContext reports whether the error of a process that the context has ended is about
// both.
func (c *Cmd) saysContext() bool { return c.ContextError || len(c.Stop) > 0 || c.keeps() }

// ofContext reports whether an error says that the context has ended.
func (c *Cmd) ofContext(err error) bool {
	return err != nil && c.ctx != nil && c.ctx.Err() != nil && errors.Is(err, c.ctx.Err())
}

// contextErr is the error of a context that has ended, as os/exec has it, or where it may
// be about more with the context's cause.
func (c *Cmd) contextErr() error {
	err, cause := c.ctx.Err(), context.Cause(c.ctx)
	if !c.saysContext() || cause == nil || cause == context.Canceled || cause == context.DeadlineExceeded {
		return err
	}
	if errors.Is(cause, err) {
		return cause
	}
	return fmt.Errorf("%w: %w", err, cause)
}
