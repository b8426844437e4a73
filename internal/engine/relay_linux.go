//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// entering is the pid namespace that the relay enters.
type entering struct {
	*plan.PIDNamespace
	fd raw.Var // set at each start
}

// lowerRelay adds the relay, where there is need of one, as the first that the child
// does. The relay shares descriptors with this process: if it outlived this process, it
// would hold the other end of the gate at which the child waits for its maps, and both
// would wait for ever. So it is killed together with this process, or ends by itself where
// that is dead already.
func (p *Program) lowerRelay(pl *plan.Plan) error {
	scored := p.feat.SharedMemory && pl.OOMScore && (p.all || pl.Listener != nil || pl.IDMap != nil && pl.Unshare.Bits&unix.CLONE_NEWUSER == 0)
	p.relay = p.here == nil && (scored || pl.PIDNamespace != nil)
	if !p.relay {
		return nil
	}
	if pl.PIDNamespace != nil {
		if err := p.lowerEntering(pl); err != nil {
			return err
		}
	}
	p.scored = pl.OOMScore
	b, zero, parent := pl.Builder(), raw.Int(0), pl.Builder().Var()
	pl.StartStep(plan.StepClone)
	pl.Call(plan.Relay, raw.Prctl, raw.Int(unix.PR_SET_PDEATHSIG), raw.Int(int64(unix.SIGKILL)), zero, zero, zero).Ignore()
	pl.Call(plan.Relay, raw.Getppid).Keep(parent)
	pl.Call(plan.Relay, raw.ExitGroup, zero).SkipEqual(parent, uint64(os.Getpid()))
	b.Relay(uint8(plan.Relay), !p.feat.Clone3)
	return nil
}

// lowerEntering makes the relay enter a pid namespace. The relay shares memory also where
// the child has a copy of it.
func (p *Program) lowerEntering(pl *plan.Plan) error {
	ns := pl.PIDNamespace
	p.enter = entering{ns, pl.Builder().Var()}
	switch {
	case !kernel.Current().SharedMemory:
		return plan.AttrError(plan.StepSetns, ns.Index, ns.Object, &attr.UnsupportedError{
			What: "memory that is shared over clone, for a pid namespace that exists", Err: unix.ENOTSUP,
		})
	case pl.Clone.Bits&unix.CLONE_NEWPID != 0:
		return plan.AttrError(plan.StepSetns, ns.Index, ns.Object, plan.Invalid("contradicts CLONE_NEWPID of attr.Namespaces"))
	}
	pl.AttrStep(plan.StepSetns, ns.Index, ns.Object)
	pl.Call(plan.Relay, raw.Setns, raw.VarArg(p.enter.fd, 0), raw.Int(unix.CLONE_NEWPID))
	return nil
}

// withoutRelay is the program with a copy of the memory, where the error may say that the
// system is against a relay: Linux before 3.13, or a filter. It is nil where the relay is
// not only for the score.
func (p *Program) withoutRelay(err error) *Program {
	if err == nil || !p.relay || p.enter.PIDNamespace != nil || !refusesRelay(err) {
		return nil
	}
	in := p.inputs.Input
	in.Once = false
	q := &Program{how: how{noRelay: true}}
	if q.compileKnowing(kernel.Here(), in) != nil {
		return nil
	}
	return q
}

// refusesRelay reports whether an error may be about the first child.
func refusesRelay(err error) bool {
	var e *plan.Error
	return errors.As(err, &e) && e.Step == plan.StepClone &&
		(errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) || errors.Is(err, unix.ENOSYS))
}

// watchRelay watches until the child is born. The relay waits for nothing, but
// somebody may have stopped it.
func watchRelay(ctx context.Context, r *raw.Run) *watcher {
	if ctx.Done() == nil {
		return nil
	}
	w := &watcher{done: make(chan struct{})}
	w.cancel = context.AfterFunc(ctx, func() {
		defer close(w.done)
		for !w.returned.Load() {
			if r.TID() == 0 {
				killRelay(r)
			}
			time.Sleep(50 * time.Microsecond)
		}
	})
	return w
}

// killRelay kills the relay of a run, if there is one that is not dead. The kernel
// does not take the child for one in vfork any more then.
func killRelay(r *raw.Run) {
	if !kernel.Current().Pidfd {
		r.KillRelay()
		return
	}
	pid := r.Relay()
	if pid == 0 {
		return
	}
	fd, err := openPidfd(pid)
	if err == unix.EPERM || err == unix.ENOSYS { // a filter
		r.KillRelay()
		return
	}
	if err != nil {
		return // it has ended, or the next time will do
	}
	defer unix.Close(fd)
	if r.Relay() != 0 { // so it was not reaped by the time of the opening
		_ = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	}
}

// openPidfd opens a pidfd at a number from 3 up.
func openPidfd(pid int) (int, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil || fd >= highfd.Least {
		return fd, err
	}
	n, err := highfd.Dup(fd)
	unix.Close(fd)
	return n, err
}

// openPidfd opens the pidfd of a child that the relay has made by clone(2), which has
// no place for it beside that for the pid. A child that still shares memory was not
// reaped by anybody, so the pid was its own; of any other that is not known for sure, and
// it does without.
func (a *attempt) openPidfd() {
	if a.feat.Clone3 || !a.feat.Pidfd || a.child.PID == 0 {
		return
	}
	fd, err := openPidfd(a.child.PID)
	if err != nil {
		return
	}
	if !a.r.Shares() {
		unix.Close(fd)
		return
	}
	a.r.SetPidfd(fd)
}

// unborn is why a relay has made no child.
func (a *attempt) unborn() error {
	step, why, failed := a.r.Failure()
	switch {
	case failed && step.Name == plan.StepClone:
		return a.cloneError(why)
	case failed:
		return a.stepError(step, why)
	case a.ctx.Err() != nil:
		return a.ctx.Err()
	}
	return killedBefore("the child was made")
}

// wclone is __WCLONE, as an int of 32 bits.
const wclone = -1 << 31

// diedSilently reports whether a child that was made by a relay, and does not share memory
// any more, has ended before execve. The kernel has not made it a child then that others
// may wait for, but with __WCLONE. It may still be about to be a zombie.
func (c *Child) diedSilently() bool {
	if !c.silent {
		return false
	}
	var x raw.Exit
	errno := unix.ENOSYS
	switch {
	case !kernel.Current().Waitid:
	case c.Pidfd >= 0 && c.Holds():
		errno = raw.Waitid(unix.P_PIDFD, c.Pidfd, unix.WEXITED|unix.WNOWAIT|wclone, &x)
	default:
		errno = raw.Waitid(unix.P_PID, c.PID, unix.WEXITED|unix.WNOWAIT|wclone, &x)
	}
	if errno != 0 && errno != unix.ECHILD {
		errno = raw.Wait4(c.PID, wclone, &x)
	}
	return errno == 0 && x.PID != 0
}

// killedBefore is the error of a start whose child, or its relay, somebody has killed.
func killedBefore(what string) error {
	return plan.StartError(plan.StepClone, fmt.Errorf("killed before %s: %w", what, unix.ECANCELED))
}
