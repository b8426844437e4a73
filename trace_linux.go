//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// tracing is what is done with a child that the thread traces which makes it.
//
// execve sends the child a SIGTRAP, at which it stands still. Any other signal would
// make it stand still earlier, while this thread waits for the execve and can't
// help, so all are blocked until then and it is this process that sets the child's
// mask. To suspend the child it then makes a SIGSTOP of the SIGTRAP and lets go.
type tracing struct {
	plan.Trace
	masked  bool   // there is a mask for the child, else it gets that of the thread
	blocked uint64 // the mask
}

// lowerMask sets the signal mask.
func (e *engine) lowerMask(p *plan.Plan, claims *plan.Claims) {
	b, own := p.Builder(), claims.Has(plan.SignalMask)
	if p.Trace != nil {
		e.tracing = &tracing{*p.Trace, own, p.Blocked}
		p.AttrStep(p.Trace.Step, p.Trace.Index, "")
		trap := b.Words(1 << (unix.SIGTRAP - 1))
		p.Call(plan.Mask, raw.RtSigprocmask, raw.Int(unix.SIG_UNBLOCK), trap, raw.Int(0), raw.Int(8))
	} else if !own {
		p.StartStep(plan.StepSigMask)
		p.Call(plan.Mask, raw.RtSigprocmask, raw.Int(unix.SIG_SETMASK), b.SavedMask(), raw.Int(0), raw.Int(8))
	}
}

// launchTraced is launchHere, and does what only the tracer can do, which is the
// thread that makes the child.
func (p *Program) launchTraced(ctx context.Context) (*Process, error) {
	if p.tracing == nil {
		return p.launchHere(ctx)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	proc, err := p.launchHere(ctx)
	if err != nil {
		return nil, err
	}
	if err := p.tracing.finish(ctx, proc); err != nil {
		_ = proc.Kill() // or it has ended
		_, _ = proc.Wait(context.WithoutCancel(ctx))
		if err == ctx.Err() {
			return nil, err
		}
		return nil, wrap(p.path, plan.AttrError(p.tracing.Step, p.tracing.Index, "", err))
	}
	return proc, nil
}

// finish returns when the child is at its first stop, or has ended.
func (tr *tracing) finish(ctx context.Context, p *Process) error {
	sig, err := awaitExec(ctx, p)
	if sig == 0 {
		return err
	}
	errno := raw.TraceMask(p.pid, tr.mask())
	if errno == 0 && tr.Suspend {
		if sig == unix.SIGTRAP {
			sig = unix.SIGSTOP // else the exec has failed late, with a signal that kills
		}
		if errno = raw.TraceEnd(p.pid, sig); errno == 0 {
			p.awaitStop()
		}
	}
	switch errno {
	case 0, unix.ESRCH: // killed meanwhile
		return nil
	case unix.EIO:
		return &UnsupportedError{What: "PTRACE_SETSIGMASK", Since: "3.11", Err: errno}
	}
	return errno
}

// mask is the child's signal mask.
func (tr *tracing) mask() uint64 {
	if tr.masked {
		return tr.blocked
	}
	var set unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_BLOCK, nil, &set) // can't fail
	return set.Val[0]
}

// awaitExec waits for the child to stand still, and returns at which signal; 0 if
// it has ended. It does not wait for the stop by waitid, as a loop around wait4 in
// another thread could take that away.
func awaitExec(ctx context.Context, p *Process) (sig syscall.Signal, err error) {
	poll(func() bool {
		var errno syscall.Errno
		switch sig, errno = raw.TraceStop(p.pid); {
		case errno == 0:
			return true
		case errno != unix.ESRCH:
			sig, err = 0, errno
			return true
		case p.hasEnded():
			return true
		}
		err = ctx.Err()
		return err != nil
	})
	return sig, err
}

// settleTime bounds the wait for a stop that nobody may see: another thread can
// have waited for it, and /proc be hidden.
const settleTime = time.Second

// awaitStop waits until the child is stopped, which it will be before it runs any
// instruction; or has ended, or got SIGCONT.
func (p *Process) awaitStop() {
	begin := time.Now()
	idType, id := unix.P_PIDFD, p.child.pidfd
	if id < 0 {
		idType, id = unix.P_PID, p.pid
	}
	told := func() bool {
		var x raw.Exit
		errno := raw.Waitid(idType, id, unix.WSTOPPED|unix.WCONTINUED|unix.WNOHANG, &x)
		return errno == 0 && x.PID != 0
	}
	poll(func() bool { return told() || p.hasEnded() || isStopped(p.pid) || time.Since(begin) > settleTime })
	if !p.hasEnded() {
		told() // if it was /proc that did, so that nobody else is
	}
}

// isStopped looks for the state in /proc.
func isStopped(pid int) bool {
	state, _, _ := procState(pid)
	return state == 'T'
}

// poll calls look until it returns true: in a loop for a short time, then with
// pauses.
func poll(look func() bool) {
	done := false
	raw.Spin(shortWaitTime, func() bool {
		done = look()
		return done
	})
	for pause := shortWaitTime; !done; pause = min(2*pause, 50*shortWaitTime) {
		time.Sleep(pause)
		done = look()
	}
}
