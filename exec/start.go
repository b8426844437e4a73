package exec

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/safespawn/spawn/internal/environ"
)

// Run starts the program and waits for it to end.
//
// The error is nil if the program started, ended with status 0, and its streams
// were copied. If the program ended in another way, the error is an *[ExitError].
// Any other error is about the start, the copying or the context.
func (c *Cmd) Run() error {
	// With a bound on the time, or with Tree, the copying must not hold up Wait.
	c.streams.inline = c.WaitDelay == 0 && !c.keeps()
	if err := c.begin(); err != nil {
		return err
	}
	c.child.begun(len(c.streams.left) == 0)
	over := false
	defer func() {
		if !over {
			c.child.keep(c.NoReap)
		}
	}()
	c.tellStart()
	err := c.Wait()
	over = c.ProcessState != nil
	return err
}

// Start starts the program and does not wait for its end. If the error is nil,
// Process is set, and you must call Wait to release the resources of the Cmd.
func (c *Cmd) Start() error { return c.startThen(func() {}) }

// startThen is Start, and calls started before anybody may wait.
func (c *Cmd) startThen(started func()) error {
	if err := c.begin(); err != nil {
		return err
	}
	started()
	c.child.keep(c.NoReap)
	c.awaitExec()
	c.tellStart()
	return nil
}

// begin is Start for somebody who only calls Wait.
func (c *Cmd) begin() error {
	if err := c.create(); err != nil {
		return err
	}
	c.attach()
	return nil
}

// create is begin as far as there is a process.
func (c *Cmd) create() error {
	if atomic.SwapInt32(&c.started, 1) != 0 {
		return errors.New("exec: already started")
	}
	err := c.start()
	closeAll(&c.streams.child)
	if err != nil {
		closeAll(&c.streams.parent)
		c.dropTerminal()
		c.streams.jobs = nil
		c.tellStart()
	}
	return err
}

// attach begins the copying, and to watch the context.
func (c *Cmd) attach() {
	if len(c.streams.jobs) > 0 {
		c.streams.begin(c.tree != nil)
	}
	c.watch()
}

// start gets ready what the program needs, and makes the process.
func (c *Cmd) start() error {
	if c.Path == "" && c.Err == nil {
		c.Err = errors.New("exec: no command")
	}
	if c.Err != nil {
		return c.Err
	}
	if c.Dir != "" && c.DirFile != nil {
		return errors.New("exec: both Dir and DirFile")
	}
	if c.fake != nil {
		return c.launchFake()
	}
	path, err := c.program()
	if err != nil {
		return err
	}
	ctx := c.ctx
	if ctx == nil {
		if c.Cancel != nil {
			return errCancelWithoutContext()
		}
		ctx = context.Background()
	}
	if ctx.Err() != nil {
		return c.contextErr()
	}
	std, err := c.stdio()
	if err != nil {
		return err
	}
	var env []string // nil is this process's, which has each key but once
	if c.Env != nil || c.Dir != "" || len(c.ListenFDs) > 0 || runtime.GOOS == "windows" || runtime.GOOS == "plan9" {
		if env, err = c.environ(); err != nil {
			return err
		}
	}
	files := std[:]
	if len(c.ListenFDs)+len(c.ExtraFiles) > 0 {
		files = append(make([]*os.File, 0, 3+len(c.ListenFDs)+len(c.ExtraFiles)), std[:]...)
		if len(c.ListenFDs) > 0 {
			if files, env, err = c.ListenFDs.listen(files, env); err != nil {
				return err
			}
			if env, err = environ.LastOfEach(env); err != nil {
				return err
			}
		}
		files = append(files, c.ExtraFiles...)
	}
	return c.launchSeen(ctx, path, files, env)
}

func errCancelWithoutContext() error {
	return errors.New("exec: command with a non-nil Cancel was not created with CommandContext")
}

// watch begins to watch the context.
func (c *Cmd) watch() {
	if (c.Cancel == nil && c.WaitDelay == 0 && len(c.Stop) == 0) || c.ctx == nil || c.ctx.Done() == nil {
		return
	}
	ended := make(chan ending)
	c.ended = ended
	c.unwatch = context.AfterFunc(c.ctx, func() { c.interrupt(ended) })
}
