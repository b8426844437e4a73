//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
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

// finish returns when the child is at its first stop, or has ended.
func (tr *tracing) finish(ctx context.Context, c *Child) error {
	sig, err := awaitExec(ctx, c)
	if sig == 0 {
		return err
	}
	errno := raw.TraceMask(c.PID, tr.mask())
	if errno == 0 && tr.Suspend {
		if sig == unix.SIGTRAP {
			sig = unix.SIGSTOP // else the exec has failed late, with a signal that kills
		}
		if errno = raw.TraceEnd(c.PID, sig); errno == 0 {
			c.awaitStop()
		}
	}
	switch errno {
	case 0, unix.ESRCH: // killed meanwhile
		return nil
	case unix.EIO:
		return &attr.UnsupportedError{What: "PTRACE_SETSIGMASK", Since: "3.11", Err: errno}
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
	return raw.Mask(&set)
}

// awaitExec waits for the child to stand still, and returns at which signal; 0 if
// it has ended. It does not wait for the stop by waitid, as a loop around wait4 in
// another thread could take that away.
func awaitExec(ctx context.Context, c *Child) (sig syscall.Signal, err error) {
	poll(func() bool {
		var errno syscall.Errno
		switch sig, errno = raw.TraceStop(c.PID); {
		case errno == 0:
			return true
		case errno != unix.ESRCH:
			sig, err = 0, errno
			return true
		case c.over():
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
func (c *Child) awaitStop() {
	begin := time.Now()
	told := func() bool {
		_, changed, _ := c.Change()
		return changed
	}
	poll(func() bool { return told() || c.over() || isStopped(c.PID) || time.Since(begin) > settleTime })
	if !c.over() {
		told() // if it was /proc that did, so that nobody else is
	}
}

// isStopped looks for the state in /proc.
func isStopped(pid int) bool {
	state, _, _ := procState(pid)
	return state == 'T' && kernel.OurIDs()
}

// shortTime is how long to look in a loop.
const shortTime = 100 * time.Microsecond

// poll calls look until it returns true: in a loop for a short time, then with
// pauses.
func poll(look func() bool) {
	done := false
	raw.Spin(shortTime, func() bool {
		done = look()
		return done
	})
	for pause := shortTime; !done; pause = min(2*pause, 50*shortTime) {
		time.Sleep(pause)
		done = look()
	}
}
