package spawn

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn/internal/logs"
)

// Process is a child that runs its program. All methods may be called at any
// time from any goroutine.
//
// A Process that becomes unreachable before anybody has waited for it is
// released: no zombie and no descriptor is left behind.
type Process struct {
	pid     int
	log     Logger
	begin   time.Time
	guarded bool // by a finalizer

	mu    sync.Mutex    // guards what follows; unlock gives it back
	child child         // what the platform knows it by
	done  chan struct{} // made by whoever needs it, closed at the end
	ended chan struct{} // the same, closed when the child has ended
	over  bool          // state or err is set
	state *ProcessState
	err   error

	unlogged bool // the end is for the next unlock to log
	told     bool // the end is logged, or there is no log
}

func newProcess(pid int, c child) *Process {
	p := &Process{pid: pid, child: c, guarded: true}
	runtime.SetFinalizer(p, (*Process).abandoned)
	return p
}

// abandoned is the finalizer of a Process that nobody has waited for.
func (p *Process) abandoned() { p.Done() }

// Pid is the process id. It may be that of another process once Wait or Done
// have reported the end.
func (p *Process) Pid() int { return p.pid }

// Wait waits for the child to end, or for ctx, whose error it then returns; the
// child is not touched by that. It may be called any number of times, at once or
// later, and the results are the same. A status other than 0 is no error.
// ErrStatusTaken is, where the status was lost.
func (p *Process) Wait(ctx context.Context) (*ProcessState, error) {
	if p.shortWait(ctx) {
		return p.state, p.err
	}
	if ctx.Done() == nil && p.begins() {
		p.reap()
		return p.state, p.err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		select {
		case <-p.Done():
		default:
			return nil, ctx.Err()
		}
	}
	return p.state, p.err
}

// Done is closed when the child has ended, was reaped, and the logger has heard of
// that. Wait then returns at once.
func (p *Process) Done() <-chan struct{} {
	if p.begins() {
		go p.reap()
	}
	return p.done
}

// WaitExited waits for the child to end, or for ctx, whose error it then returns,
// and leaves it unreaped: for callers that hand the reaping to somebody else, and
// that must still know when. It returns at once where the child was reaped, by
// Wait or by anybody. It may be called any number of times, and costs no more than
// Wait. Linux with pidfds; with a thread for each child without them; an error
// that matches [errors.ErrUnsupported] where the engine is missing.
//
// When somebody else has reaped the child, [Process.Release] lets go of what is
// left of it.
func (p *Process) WaitExited(ctx context.Context) error { return p.waitExited(ctx) }

// begins reports whether it is for the caller to reap the child. It makes
// p.done, which is not changed afterwards.
func (p *Process) begins() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done != nil {
		return false
	}
	p.done = make(chan struct{})
	if p.told {
		close(p.done)
	}
	return !p.over
}

// Release lets go of the child, which is reaped in the background when it ends.
// The other methods go on working, other than those of os.Process: Wait still
// waits for the end, and Signal sends.
func (p *Process) Release() error {
	if !p.tryReap() {
		p.Done()
	}
	return nil
}

// Disown lets go of the child without reaping it, now or later: that is for
// somebody else to do, who knows its pid. Afterwards Wait and the methods that
// send signals behave as if that had happened. It reports whether somebody has
// reaped the child already, so that its pid may be that of another process.
func (p *Process) Disown() (reaped bool) {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return true
	}
	p.log = nil
	return p.disown()
}

// Kill sends SIGKILL. The errors are those of Signal.
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// Signal sends a signal. It returns os.ErrProcessDone when the child has been
// reaped; no other process ever gets the signal. The error matches fs.ErrPermission
// where the child has changed to ids that this process may not signal; see kill(2).
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return os.ErrProcessDone
	}
	if err := p.child.signal(p.pid, sig); err != nil {
		return fmt.Errorf("spawn: signal pid %d: %w", p.pid, err)
	}
	return nil
}

// finish stores how the child ended. The caller holds p.mu and calls it once.
func (p *Process) finish(state *ProcessState, err error) {
	p.over, p.state, p.err = true, state, err
	if p.guarded {
		runtime.SetFinalizer(p, nil)
	}
	if p.log != nil {
		p.unlogged = true
		return
	}
	p.tell()
}

// tell closes p.done. The caller holds p.mu.
func (p *Process) tell() {
	p.told = true
	if p.done != nil {
		close(p.done)
	}
}

// unlock gives back p.mu, and logs the end if that is still to be done: a logger
// is free to call any method.
func (p *Process) unlock() {
	unlogged := p.unlogged
	p.unlogged = false
	p.mu.Unlock()
	if !unlogged {
		return
	}
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.tell()
	}()
	p.logExit()
}

func (p *Process) logExit() {
	e := p.log.Check(zapcore.DebugLevel, "exited")
	switch {
	case e == nil:
	case p.err != nil:
		e.Write(logs.Int("pid", p.pid), logs.Error(p.err))
	default:
		e.Write(logs.Int("pid", p.pid), logs.Stringer("status", p.state),
			logs.Duration("took", time.Since(p.begin)), logs.Duration("user", p.state.UserTime()),
			logs.Duration("system", p.state.SystemTime()), logs.Int("maxrss", p.state.MaxRSS()))
	}
}

// ProcessState is how a child ended and what it has used.
type ProcessState struct {
	pid    int
	status syscall.WaitStatus
	usage  *syscall.Rusage
}

// Pid is the process id that the child had.
func (s *ProcessState) Pid() int { return s.pid }

// Exited reports whether the child called exit, rather than being killed.
func (s *ProcessState) Exited() bool { return s.status.Exited() }

// ExitCode is the status that the child exited with, -1 if it was killed.
func (s *ProcessState) ExitCode() int { return s.status.ExitStatus() }

// Signaled reports whether the child was killed by a signal.
func (s *ProcessState) Signaled() bool { return s.status.Signaled() }

// Signal is the signal that killed the child, -1 if it exited.
func (s *ProcessState) Signal() syscall.Signal { return s.status.Signal() }

// Success reports whether the child exited with status 0.
func (s *ProcessState) Success() bool { return s.status.ExitStatus() == 0 }

// Sys is the status as the system has it, a syscall.WaitStatus.
func (s *ProcessState) Sys() any { return s.status }

// Rusage is what the child and those of its children that it waited for have
// used; nil where the status was taken by another waiter. See getrusage(2).
func (s *ProcessState) Rusage() *syscall.Rusage { return s.usage }

// UserTime is the CPU time spent in user mode.
func (s *ProcessState) UserTime() time.Duration {
	if s.usage == nil {
		return 0
	}
	return userTime(s.usage)
}

// SystemTime is the CPU time spent in the kernel.
func (s *ProcessState) SystemTime() time.Duration {
	if s.usage == nil {
		return 0
	}
	return systemTime(s.usage)
}

// MaxRSS is the largest amount of memory that was resident, in bytes; 0 where
// the system doesn't tell. On Linux what this process had at the time of the
// start counts, too: the child shares it until execve.
func (s *ProcessState) MaxRSS() int64 {
	if s.usage == nil {
		return 0
	}
	return maxRSS(s.usage)
}

// String is as that of os.ProcessState: "exit status 1", "signal: killed".
func (s *ProcessState) String() string {
	switch {
	case s == nil:
		return "<nil>"
	case s.Exited():
		return fmt.Sprintf("exit status %d", s.ExitCode())
	case s.status.CoreDump():
		return fmt.Sprintf("signal: %v (core dumped)", s.Signal())
	case s.Signaled():
		return fmt.Sprintf("signal: %v", s.Signal())
	}
	return fmt.Sprintf("status %v", s.status)
}
