package exec

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"syscall"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/raw"
)

// Runner stands for processes, in tests: [WithRunner] says for which. Package exectest has
// runners.
type Runner interface {
	// Start stands for the start of a process. ctx is the one of the Cmd. The streams
	// are in c: a nil Stdin is empty, and what goes to a nil Stdout or Stderr is lost. c
	// must not be changed, and none of its methods be called.
	//
	// The error is that of Cmd.Start. A *[spawn.Error] is wrapped as that of a real start.
	Start(ctx context.Context, c *Cmd) (Running, error)
}

// Running is what a [Runner] has started.
type Running interface {
	// Process becomes Cmd.Process. Nil means a process that nothing can be done with.
	Process() *os.Process
	// Signal stands for a signal to the process, and to its tree. Kill, Shutdown, Stop and
	// the end of the context send signals. It is called at any time, from any goroutine. The
	// signal 0 only asks: [os.ErrProcessDone] says that the process has ended.
	Signal(sig os.Signal) error
	// Wait does what the program does, and returns how it has ended. It is called once, in
	// a goroutine of its own that Start begins. When it has returned, this package closes
	// the files that the process would have had, such as the end of StdoutPipe.
	Wait() (*os.ProcessState, error)
}

type runnerKey struct{}

// WithRunner returns a context that makes every Cmd of [CommandContext] be run by r, and
// not by a process. All else goes on as usual: the end of the context, Output, StdoutPipe,
// the Observer, the Limiter. A nil r means processes again, for a part of a program.
//
// CommandContext does not look for the program then: Path is the name as it is, and Err is
// nil. Nor does anybody look whether the directory or the files of the Cmd are there. A Cmd
// of [Command], which has no context, is not run by r. Neither is one with PTY: its Start
// returns an error that matches [errors.ErrUnsupported].
//
// Process.Signal and Process.Kill do not reach a process that is none: they return
// [os.ErrProcessDone], and on Windows EINVAL. Call [Cmd.Kill] and [Cmd.Shutdown], or end the context. If Cancel
// returns such an error or ESRCH, because it uses Process or its Pid, r is told to kill.
func WithRunner(ctx context.Context, r Runner) context.Context {
	return context.WithValue(ctx, runnerKey{}, r)
}

// fake is what stands for a process. That of a Cmd is another one once it runs, because a
// Cmd may be copied before Start.
type fake struct {
	runner Runner
	run    Running
	done   chan struct{} // closed when the other two are there
	state  *os.ProcessState
	err    error
}

// fakeOf is what the runner of a context needs. It is nil for a process.
func fakeOf(ctx context.Context) *fake {
	if r, _ := ctx.Value(runnerKey{}).(Runner); r != nil {
		return &fake{runner: r}
	}
	return nil
}

// command is CommandContext with a runner.
func (f *fake) command(ctx context.Context, name string, arg []string) *Cmd {
	c := &Cmd{Path: name, Args: append([]string{name}, arg...), ctx: ctx, fake: f}
	c.Cancel = c.Kill
	c.watchLeak()
	return c
}

// launchFake is the start of a Cmd with a runner, as far as it is like any other.
func (c *Cmd) launchFake() error {
	if c.ctx.Err() != nil {
		return c.contextErr()
	}
	if c.PTY != nil {
		return fmt.Errorf("exec: a Runner has no terminal: %w", errors.ErrUnsupported)
	}
	return c.launchSeen(c.ctx, c.Path, nil, nil)
}

// startFake has the runner start.
func (c *Cmd) startFake(ctx context.Context) error {
	run, err := c.fake.runner.Start(ctx, c.bounded())
	if failed, ok := err.(*spawn.Error); ok {
		return c.startError(c.Path, 0, failed)
	}
	if err != nil {
		return err
	}
	if run == nil {
		return errors.New("exec: the runner has started nothing")
	}
	f := &fake{run: run, done: make(chan struct{}), err: errors.New("exec: Wait of the runner has not returned")}
	c.fake = f
	if c.Process = run.Process(); c.Process == nil {
		c.Process = raw.NoProcess(math.MaxInt32)
	}
	if cancel := c.Cancel; cancel != nil {
		c.Cancel = func() error { return f.canceled(cancel()) }
	}
	ends := c.streams.child
	c.streams.child = nil
	for _, p := range c.streams.buffers {
		ends = append(ends, bufferEnd{p})
	}
	go func() {
		defer close(f.done)
		defer closeAll(&ends)
		f.state, f.err = run.Wait()
		switch {
		case f.state == nil && f.err == nil:
			f.err = errors.New("exec: the runner does not say how the program has ended")
		case f.state != nil && errors.Is(f.err, errPipeLeft):
			f.err = nil
		}
	}()
	return nil
}

// bounded is the Cmd with the writers that it has without a runner, because of MaxOutput.
func (c *Cmd) bounded() *Cmd {
	if c.MaxOutput <= 0 {
		return c
	}
	b := *c
	b.Stdout = c.limitedCopy(c.Stdout)
	if b.Stderr = b.Stdout; !same(c.Stderr, c.Stdout) {
		b.Stderr = c.limitedCopy(c.Stderr)
	}
	return &b
}

// limitedCopy is limited for what may not be copied to.
func (c *Cmd) limitedCopy(out io.Writer) io.Writer {
	if _, file := out.(*os.File); file || out == nil {
		return out
	}
	return c.limited(out)
}

// canceled kills where Cancel has looked for a process in vain.
func (f *fake) canceled(err error) error {
	if errors.Is(err, os.ErrProcessDone) || errors.Is(err, syscall.ESRCH) || errors.Is(err, syscall.EINVAL) {
		return f.signal(os.Kill)
	}
	return err
}

func (f *fake) over() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// signal sends a signal, unless the end has come.
func (f *fake) signal(sig os.Signal) error {
	if f.over() {
		return os.ErrProcessDone
	}
	return f.run.Signal(sig)
}

// make makes the process, or what stands for it.
func (c *Cmd) make(ctx context.Context, path string, files []*os.File, env []string) error {
	if c.fake != nil {
		return c.startFake(ctx)
	}
	return c.launch(ctx, path, files, env)
}

// signal sends a signal to the process.
func (c *Cmd) signal(sig os.Signal) error {
	if c.fake != nil {
		return c.fake.signal(sig)
	}
	err := c.Process.Signal(sig)
	if err == nil || errors.Is(err, os.ErrProcessDone) {
		return err
	}
	// The one call that package os makes may be refused, as by a filter.
	if p := c.child.spawned(); p != nil {
		return p.Signal(sig)
	}
	return err
}

// hasEnded reports whether the process has ended, as far as that is known before Wait.
func (c *Cmd) hasEnded() bool {
	if c.fake != nil {
		return c.fake.over()
	}
	return c.child.over()
}

// awaitExec waits until others see the program that was started.
func (c *Cmd) awaitExec() {
	if c.fake == nil {
		c.child.awaitExec()
	}
}

// awaitEnd returns when the process has ended, or when reapChild is to wait for it.
func (c *Cmd) awaitEnd() {
	if c.fake != nil {
		<-c.fake.done
		return
	}
	c.child.wait()
}

// reapChild reaps the process.
func (c *Cmd) reapChild() (*os.ProcessState, error) {
	if c.fake != nil {
		return c.fake.state, c.fake.err
	}
	state, err := c.child.reap()
	c.child.release(state)
	return state, err
}
