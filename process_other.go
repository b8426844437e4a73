//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
)

// child is what a child is known by while it hasn't been reaped.
type child struct {
	proc *os.Process
}

func (c *child) signal(_ int, sig os.Signal) error {
	if _, ok := sig.(syscall.Signal); !ok {
		return syscall.EINVAL
	}
	return c.proc.Signal(sig)
}

// WithPidfd calls f with a pidfd of the child and returns the result of f. The
// descriptor is f's only during the call: f must neither close it nor keep it. If
// the child has been reaped, WithPidfd returns os.ErrProcessDone. If the kernel has
// no pidfds, the error matches errors.ErrUnsupported. Linux 5.4. See pidfd_open(2).
func (p *Process) WithPidfd(f func(fd uintptr) error) error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("spawn: %w", plan.Unsupported("Process.WithPidfd"))
	}
	p.mu.Lock()
	over := p.over
	p.mu.Unlock()
	if over {
		return os.ErrProcessDone
	}
	var inner error
	err := p.child.proc.WithHandle(func(fd uintptr) { inner = f(fd) })
	if errors.Is(err, os.ErrNoHandle) {
		return missing("Process.WithPidfd", "pidfds", "5.4")
	}
	return errors.Join(err, inner)
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
	return fmt.Errorf("spawn: %w", plan.Unsupported("Process.WaitExited"))
}

// disown is Disown. The caller holds p.mu. A wait that is under way can't be
// called off, and whether the child was reaped can't be known.
func (p *Process) disown() (reaped bool) {
	if p.done == nil {
		_ = p.child.proc.Release()
		p.finish(nil, ErrStatusTaken)
	}
	return false
}

// reap waits for the end. It costs a thread.
func (p *Process) reap() {
	ended, err := p.child.proc.Wait()
	var state *ProcessState
	switch {
	case err == nil:
		state = &ProcessState{pid: p.pid}
		state.status, _ = ended.Sys().(syscall.WaitStatus)
		state.usage, _ = ended.SysUsage().(*syscall.Rusage)
	case errors.Is(err, syscall.ECHILD):
		err = ErrStatusTaken
	}
	if err != nil {
		_ = p.child.proc.Release() // the pidfd; Wait does it if it succeeds
	}
	p.mu.Lock()
	defer p.unlock()
	p.finish(state, err)
}
