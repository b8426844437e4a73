//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"os"
	"runtime"
	"syscall"

	"github.com/safespawn/spawn/internal/forkexec"
	"github.com/safespawn/spawn/internal/plan"
)

// child is what a child is known by while it hasn't been reaped.
type child struct{ forkexec.Child }

func (c *child) signal(sig os.Signal) error { return c.Signal(sig) }

// WithPidfd calls f with a pidfd of the child and returns the result of f. The
// descriptor is f's only during the call: f must neither close it nor keep it. If
// the child has been reaped, WithPidfd returns os.ErrProcessDone. If the kernel has
// no pidfds, the error matches errors.ErrUnsupported. Linux 5.4. See pidfd_open(2).
func (p *Process) WithPidfd(f func(fd uintptr) error) error {
	if runtime.GOOS != "linux" {
		return missing("Process.WithPidfd", "pidfds", "5.4")
	}
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()
	if over {
		return os.ErrProcessDone
	}
	err := p.child.WithPidfd(f)
	if errors.Is(err, os.ErrNoHandle) {
		return missing("Process.WithPidfd", "pidfds", "5.4")
	}
	return err
}

// shortWait only looks whether the child is over: the system has no wait that
// doesn't block and leaves the signals of package os safe.
func (p *Process) shortWait(context.Context) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// tryReap only looks, too.
func (p *Process) tryReap() bool { return p.shortWait(context.Background()) }

// waitExited can't wait without reaping.
func (p *Process) waitExited(context.Context) error {
	if p.tryReap() {
		return nil
	}
	return missing("Process.WaitExited", "the clone engine", plan.Engine)
}

// disownChild is disown. The caller holds p.mu. A wait that is under way can't be
// called off, and whether the child was reaped can't be known.
func (p *Process) disownChild() (reaped bool) {
	if p.done == nil {
		p.child.Release()
		p.finish(nil, ErrStatusTaken)
	}
	return false
}

// reap waits for the end. It costs a thread.
func (p *Process) reap() {
	status, usage, err := p.child.Wait()
	var state *ProcessState
	switch err {
	case nil:
		state = &ProcessState{pid: p.pid, status: status, usage: usage}
	case syscall.ECHILD:
		err = ErrStatusTaken
	}
	p.mu.Lock()
	defer p.unlock()
	p.finish(state, err)
}
