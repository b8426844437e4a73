//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// startHolding makes a child, with all files that it needs held open.
func (p *Program) startHolding(ctx context.Context) (*Process, error) {
	if len(p.files) == 0 {
		return p.launch(ctx)
	}
	return p.holding(ctx, p.files)
}

func (p *Program) holding(ctx context.Context, files []heldFile) (proc *Process, err error) {
	if len(files) == 0 {
		return p.launch(ctx)
	}
	h := files[0]
	conn, err := h.f.SyscallConn()
	if err == nil {
		var inner error
		if conn.Control(func(uintptr) { proc, inner = p.holding(ctx, files[1:]) }) == nil {
			return proc, inner
		}
		err = os.ErrClosed
	}
	return nil, &Error{Path: p.path, Part: Part(h.part), Step: h.step, Index: h.index, Object: h.f.Name(), Err: err}
}

// launchHere looks up what depends on the moment and runs the program.
func (p *Program) launchHere(ctx context.Context) (*Process, error) {
	highfd.SettlePoller()
	way := p.wayNow()
	if way == copyWay && p.apart != nil {
		return p.apart.launchHere(ctx)
	}
	if err := p.fds.Check(p.actions); err != nil {
		return nil, wrap(p.path, err)
	}
	var group fdtable.Group
	if p.fds.NeedsSlots() {
		var ok bool
		if group, ok = p.fds.TakeSlots(); !ok {
			return p.copying.launchHere(ctx)
		}
		defer group.Release()
	}
	a := attempts.Get().(*attempt)
	*a = attempt{Program: p, ctx: ctx, r: raw.NewRun(p.prog), way: way}
	if p.fds.NeedsSlots() {
		p.fds.SetSlots(a.r, &group)
	}
	a.unseen, _ = ctx.(*plan.Unseen)
	a.c = raw.Clone{Flags: p.flags(a.r) | a.way.flags(), Legacy: !p.feat.Clone3, ErrFD: -1}
	if p.cgroup.File != nil && p.feat.Cgroup {
		a.c.Flags |= unix.CLONE_INTO_CGROUP
		a.c.Cgroup = p.heldFD(plan.StepCgroup)
	}
	p.setSignals(a.r)
	if p.nofile != 0 && limitRaised() {
		a.r.Set(p.nofile, 1)
	}
	hold, err := dumpable.Begin(ctx, p.use)
	if err != nil {
		a.release()
		return nil, ofStart(p.path, err)
	}
	a.hold = hold
	p.hiding.set(a.r, hold)
	return a.run()
}

var attempts = sync.Pool{New: func() any { return new(attempt) }}

// attempt is one run of a program, until the child is past execve or dead.
type attempt struct {
	*Program
	ctx    context.Context
	r      *raw.Run
	c      raw.Clone
	way    way
	unseen *plan.Unseen // nil where somebody sees to a child that is forgotten

	hold       *dumpable.Hold // nil where the dumpable flag does not matter
	pid, pidfd int
	gate       *mapGate // nil where no maps are to be written
	record     *recordPipe
	lent       []int // what was opened to be lent
	watch      *watcher
}

// run makes the child, waits until it is past execve or dead, and lets go of what
// that took: later where the child is neither when the context ends.
func (a *attempt) run() (*Process, error) {
	proc, left, err := a.make()
	if left {
		a.leave()
		return nil, err
	}
	a.release()
	return proc, err
}

// takeBack closes what was lent.
func (a *attempt) takeBack() {
	for _, fd := range a.lent {
		unix.Close(fd)
	}
}

// release gives back what the child needed.
func (a *attempt) release() {
	a.takeBack()
	a.record.close()
	a.hold.End()
	a.r.Free()
	*a = attempt{}
	attempts.Put(a)
}

// make makes the child and waits for it; left says that it is still on its way.
func (a *attempt) make() (proc *Process, left bool, err error) {
	if a.lent, err = a.fds.Lend(a.r, a.actions); err != nil {
		return nil, false, wrap(a.path, err)
	}
	if a.maps != nil {
		if a.gate, err = a.maps.open(a); err != nil {
			return nil, false, wrap(a.path, plan.AttrError(plan.StepIDMap, a.maps.Index, "", err))
		}
		defer a.gate.close()
	}
	errno, err := a.clone()
	if err != nil {
		return nil, false, err
	}
	if errno != 0 {
		if a.watch.stop() {
			return nil, false, a.ctx.Err()
		}
		return nil, false, a.cloneError(errno)
	}
	unmapped := a.gate.pass(a)
	if !a.await() {
		return nil, true, a.ctx.Err()
	}
	proc, err = a.result(a.watch.stop(), unmapped)
	return proc, false, err
}

// clone makes the child. With InheritAll it is as with fork: no child is made while
// somebody who holds the lock has descriptors that are not close-on-exec yet. A
// child with memory of its own closes a pipe at execve, of which no child that is
// made meanwhile, of this package or package syscall, must keep a copy.
func (a *attempt) clone() (errno syscall.Errno, err error) {
	if a.all {
		if err := lockFork(a.ctx); err != nil {
			return 0, err
		}
		defer syscall.ForkLock.Unlock()
	} else if a.way == copyWay {
		if err := rlockFork(a.ctx); err != nil {
			return 0, err
		}
		defer syscall.ForkLock.RUnlock()
	}
	if a.way == copyWay {
		if a.record, err = openRecord(a); err != nil {
			return 0, wrap(a.path, plan.StartError(plan.StepPipe, err))
		}
		a.c.ErrFD = a.record.w
		defer a.record.closeWriter()
	}
	a.fds.SetLent(a.r)
	if a.way == vforkWay {
		a.watch = watchClone(a.ctx, a.r)
	}
	a.pid, errno = a.r.Start(a.c)
	_ = a.watch.stop() // it may be about to use the number that the pidfd has now
	a.pidfd = raisePidfd(a.r, a.pid)
	if a.way != vforkWay && errno == 0 {
		a.watch = a.watchChild()
	}
	return errno, nil
}

// leave sees to a child that could not be ended when the context did: it may be
// another user's by now, or in a sleep that nothing interrupts. It shares memory and
// must not come to execve, which it has been told.
func (a *attempt) leave() {
	a.keep()
	a.hold.LeaveThread()
	go func() {
		for !a.over(restTime) {
		}
		_ = a.watch.stop()
		discard(a.pid, a.pidfd)
		a.release()
	}()
}

// keep makes memory of a program that is run but once that of the collector.
func (p *Program) keep() {
	if p.plan != nil {
		p.plan = nil
	}
}

// result makes of a finished run what Start returns. unmapped is why the id maps
// were not written.
func (a *attempt) result(killed bool, unmapped error) (*Process, error) {
	step, why, failed := a.r.Failure()
	if killed && !failed && unmapped == nil {
		// It can have come to execve before, as a user's that we may not signal.
		killed = sendKill(a.pid, a.pidfd) != unix.EPERM
	}
	if !failed && !killed && unmapped == nil {
		traced := a.tracing != nil && !a.tracing.Suspend
		if a.unseen != nil && a.log == nil { // a logger may panic before whoever starts it looks
			if a.unseen.Take && a.pidfd >= 0 && a.feat.Pidfd && a.feat.Waitid {
				a.unseen.Pidfd, a.pidfd = a.pidfd, -1
			}
			return &Process{pid: a.pid, child: child{pidfd: a.pidfd, traced: traced}}, nil
		}
		return newProcess(a.pid, child{pidfd: a.pidfd, traced: traced}), nil
	}
	discard(a.pid, a.pidfd)
	if killed || unmapped != nil && a.ctx.Err() != nil && errors.Is(unmapped, a.ctx.Err()) {
		return nil, a.ctx.Err()
	}
	if unmapped != nil {
		return nil, a.mapError(unmapped)
	}
	if step.Name == plan.StepExecve {
		return nil, a.diag.explain(a.path, why)
	}
	return nil, a.stepError(step, why)
}
