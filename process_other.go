//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

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
type child struct {
	forkexec.Child
	reaping bool // it may be reaped at any time
}

func (c *child) signal(sig os.Signal) error { return c.Signal(sig) }

func (c *child) signalGroup(sig os.Signal) error {
	switch {
	case errors.Is(c.Signal(syscall.Signal(0)), os.ErrProcessDone):
		return os.ErrProcessDone
	case c.reaping:
		return errors.ErrUnsupported
	}
	return c.SignalGroup(sig)
}

// groupSeen reports whether the child leads a group, which lasts for as long as the child is
// held.
func (c *child) groupSeen() bool { return c.Leads && forkexec.SeesEnd }

// hasGroup reports whether somebody is in the group that the child leads, a zombie
// included, if that is known.
func (c *child) hasGroup(over bool) (some, known bool) {
	known = !over && !c.reaping
	return known, known
}

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

// hasNoPidfd is for the engine: package os has pidfds, or has none at all.
func hasNoPidfd(int) bool { return false }

// reaping says that package exec reaps the child now. The caller holds no lock.
func (p *Process) reaping() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child.reaping = true
}

// detach has no attached processes to let go of.
func (p *Process) detach() bool { return false }

// disownChild is disown. The caller holds p.mu. A wait that is under way can't be
// called off, and whether the child was reaped can't be known.
func (p *Process) disownChild() (reaped bool) {
	if p.done == nil {
		p.child.Release()
		p.finish(nil, ErrStatusTaken)
	}
	return false
}

// hasEnded reports whether the child has ended, as far as somebody waits for it.
func (p *Process) hasEnded() bool {
	p.Done()
	select {
	case <-p.ends():
		return true
	default:
		return p.tryReap()
	}
}

// blind is for the engine: the end is seen before the child is reaped.
func (p *Process) blind() bool { return false }

// forget has nothing left to let go of.
func (p *Process) forget() {}

// ends returns a channel that is closed when a child that leads a group has ended.
func (p *Process) ends() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = make(chan struct{})
	}
	return p.ended
}

// waitEnd waits for the end. It has the child reaped, but not while it is held.
func (p *Process) waitEnd(ctx context.Context) error {
	select {
	case <-p.Done():
	case <-p.ends():
	case <-ctx.Done():
		if !p.hasEnded() {
			return ctx.Err()
		}
	}
	return nil
}

// reap waits for the end. It costs a thread.
func (p *Process) reap() {
	if p.child.Leads && p.child.AwaitEnd() {
		close(p.ends())
		p.mu.Lock()
		defer p.unlock()
		for p.holders > 0 {
			held := p.held
			p.mu.Unlock()
			<-held
			p.mu.Lock()
		}
		p.finish(p.waitChild())
		return
	}
	p.mu.Lock()
	p.child.reaping = true
	p.mu.Unlock()
	state, err := p.waitChild()
	p.mu.Lock()
	defer p.unlock()
	p.finish(state, err)
}

// waitChild waits for the end and reaps the child.
func (p *Process) waitChild() (*ProcessState, error) {
	status, usage, err := p.child.Wait()
	switch err {
	case nil:
		return &ProcessState{pid: p.pid, status: status, usage: usage}, nil
	case syscall.ECHILD:
		err = ErrStatusTaken
	}
	return nil, err
}
