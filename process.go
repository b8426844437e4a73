package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn/internal/logs"
)

// Process is a child that runs its program. You may call all methods at any time,
// from any goroutine.
//
// If a Process becomes unreachable before anybody has waited for it, it is
// released: no zombie and no descriptor remains.
type Process struct {
	pid     int
	log     Logger
	begin   time.Time
	guarded bool // by a finalizer
	young   bool // it has only just been made: to look at once is in vain
	weak    bool // all that tree knows the child by is a weak pointer to this

	observed  *observed  // nil where nobody is to be told
	place     *Limiter   // nil where there is none to be given back
	optionals *optionals // nil where no attribute is

	tree  *Tree // that the child was made in
	ooms  int   // how many the kernel had killed there for memory before
	kills int   // how often it had been killed, where weak is set

	mu    sync.Mutex    // guards what follows; unlock gives it back
	child child         // what the platform knows it by
	done  chan struct{} // made by whoever needs it, closed at the end
	ended chan struct{} // the same, closed when the child has ended
	state *ProcessState
	err   error

	held    chan struct{} // not nil: the child must not be reaped until it is closed
	holders int           // how many want that

	over     bool // state or err is set
	unlogged bool // the end is for the next unlock to log
	told     bool // the end is logged, or there is no log
}

func newProcess(pid int, c child) *Process {
	p := &Process{pid: pid, child: c, guarded: true}
	runtime.SetFinalizer(p, (*Process).abandoned)
	return p
}

// abandoned is the finalizer of a Process that nobody has waited for.
func (p *Process) abandoned() {
	if p.detach() {
		return
	}
	p.joinAgain()
	p.Done()
}

// Pid returns the process id of the child. Once Wait or Done have reported the end,
// the same number may be the id of another process.
func (p *Process) Pid() int { return p.pid }

// Wait waits for the child to end and returns its state. A non-zero status is not
// an error. If the status was lost, the error is [ErrStatusTaken].
//
// If ctx ends first, Wait returns ctx.Err() and does not touch the child. You may
// call Wait any number of times, at once or one after the other, and the result is
// always the same.
func (p *Process) Wait(ctx context.Context) (*ProcessState, error) {
	checkContext(ctx)
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

// Done returns a channel. The channel is closed when the child has ended and was
// reaped, and the logger and the observer were told. After that Wait returns at once.
func (p *Process) Done() <-chan struct{} {
	if p.begins() {
		go p.reap()
	}
	return p.done
}

// WaitExited waits for the child to end and does not reap it. Use it if somebody
// else is to reap the child, and you must still know when it has ended. If the
// child has been reaped, by Wait or by anybody, WaitExited returns at once. If ctx
// ends first, it returns ctx.Err(). You may call it any number of times. It costs
// no more than Wait.
//
// WaitExited needs the engine; without it the error matches
// [errors.ErrUnsupported]. If the kernel has no pidfds, one thread waits for all
// children.
//
// When somebody else has reaped the child, call [Process.Release] to let go of its
// pidfd.
func (p *Process) WaitExited(ctx context.Context) error {
	checkContext(ctx)
	err := p.waitExited(ctx)
	if p.released() {
		return errReleased
	}
	return err
}

// PeakRSS returns the largest amount of resident memory that the child itself has
// had so far, in bytes. Unlike [ProcessState.MaxRSS] it does not count the memory
// of this process. It costs a read of /proc/PID/status.
//
// The kernel forgets the amount when the child ends. From then on the error is
// os.ErrProcessDone. PeakRSS needs Linux and a /proc that shows the child. Without
// these, the error matches [errors.ErrUnsupported].
func (p *Process) PeakRSS() (bytes int64, err error) {
	bytes, err = peakRSS(p.pid)
	// Where the child is still to be reaped, the pid has been its own until now.
	if errors.Is(p.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return 0, os.ErrProcessDone
	}
	return bytes, err
}

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

// Release lets go of the child: it is reaped in the background when it ends. The
// error is always nil. Call Release if you do not call Wait and do not want to keep
// the Process until it is collected.
//
// Release does more than that of an os.Process, and takes less away. After
// os.Process.Release nobody reaps the child, which stays a zombie, and the other
// methods fail. Here no zombie stays, and all methods go on working: Wait still
// waits for the end, and Signal still sends.
//
// An attached process is not reaped, and Release closes its descriptor at once. After
// that Wait, WaitExited, Stop, Signal and WithPidfd fail with an error that matches
// os.ErrClosed.
func (p *Process) Release() error {
	if !p.detach() && !p.tryReap() {
		p.Done()
	}
	return nil
}

// disown lets go of the child without reaping it, now or later. It reports whether
// somebody has reaped the child already.
func (p *Process) disown() (reaped bool) {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return true
	}
	p.log, p.observed = nil, nil
	return p.disownChild()
}

// leave has p disowned when it becomes unreachable, and not released.
func (p *Process) leave() {
	p.mu.Lock()
	defer p.unlock()
	if p.over {
		return
	}
	runtime.SetFinalizer(p, nil)
	runtime.SetFinalizer(p, func(p *Process) { p.disown() })
	p.guarded = true
}

// Kill sends SIGKILL to the child, and not to the processes that the child has
// started. The errors are those of [Process.Signal].
func (p *Process) Kill() error { return p.Signal(os.Kill) }

// Signal sends a signal to the child. If the child has been reaped, it sends
// nothing and returns os.ErrProcessDone; no other process ever gets the signal. If
// the child has changed to ids that this process may not signal, the error matches
// fs.ErrPermission. See kill(2).
func (p *Process) Signal(sig os.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock() // who has reaped the child tells of it
	if p.over {
		return p.gone()
	}
	if err := p.child.signal(sig); err != nil {
		return fmt.Errorf("spawn: signal pid %d: %w", p.pid, err)
	}
	return nil
}

// errReleased is the error of an attached process that was released.
var errReleased = fmt.Errorf("spawn: the process was released: %w", os.ErrClosed)

// released reports whether an attached process was released: nobody knows more of it.
func (p *Process) released() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err == errReleased
}

// gone is why nothing can be done with a process that is over.
func (p *Process) gone() error {
	if p.err == errReleased {
		return errReleased
	}
	return os.ErrProcessDone
}

// finish stores how the child ended. The caller holds p.mu and calls it once.
func (p *Process) finish(state *ProcessState, err error) {
	p.over, p.state, p.err = true, state, err
	if state != nil && p.tree != nil {
		state.oom = state.status.Signal() == syscall.SIGKILL && p.killedForMemory()
	}
	if p.place != nil {
		p.place.ended()
	}
	if p.guarded {
		runtime.SetFinalizer(p, nil)
	}
	if p.log != nil || p.observed != nil {
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

// unlock gives back p.mu, and logs the end if that is still to be done: a logger and
// an observer are free to call any method.
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
	if p.observed != nil {
		defer p.observed.end(p.state, p.err)
	}
	if p.log != nil {
		p.logExit()
	}
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
