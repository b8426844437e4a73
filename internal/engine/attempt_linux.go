//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/dumpable"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

var attempts = sync.Pool{New: func() any { return new(attempt) }}

// attempt is one run of a program, until the child is past execve or dead.
type attempt struct {
	*Program
	ctx context.Context
	r   *raw.Run
	c   raw.Clone
	way way

	hold   *dumpable.Hold // nil where the dumpable flag does not matter
	child  Child
	begun  time.Duration // the clock before the clone, where the program is timed
	gate   *mapGate      // nil where no maps are to be written
	record *recordPipe
	lent   []int // what was opened to be lent
	watch  *watcher
	noted  bool // ownScore is
}

// run makes the child, waits until it is past execve or dead, and lets go of what
// that took: later where the child is neither when the context ends.
func (a *attempt) run() (Child, error) {
	left, err := a.make()
	if left {
		a.leave()
		return Child{}, err
	}
	c := a.child
	c.Times = a.clock.times(a)
	if err == nil {
		c.Refused = a.refused()
	}
	a.release()
	if err != nil {
		return Child{Times: c.Times}, err
	}
	return c, nil
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
	if a.noted {
		ownScore.end(a.r.RelayKilled())
	}
	a.r.Free()
	*a = attempt{}
	attempts.Put(a)
}

// make makes the child and waits for it; left says that it is still on its way.
func (a *attempt) make() (left bool, err error) {
	if a.lent, err = a.fds.Lend(a.r, a.actions); err != nil {
		return false, err
	}
	if a.here != nil {
		return false, a.become()
	}
	if a.maps != nil {
		if a.gate, err = a.maps.open(a); err != nil {
			return false, plan.AttrError(plan.StepIDMap, a.maps.Index, "", err)
		}
		defer a.gate.close()
	}
	errno, err := a.clone()
	if err != nil {
		return false, err
	}
	if errno != 0 {
		if a.watch.stop() {
			return false, a.ctx.Err()
		}
		return false, a.cloneError(errno)
	}
	if a.child.PID == 0 {
		return false, a.unborn()
	}
	refused := a.gate.pass(a)
	if refused == nil && a.listens != nil {
		if left, refused = a.listen(); left {
			return true, refused
		}
	}
	if !a.await() {
		return true, a.ctx.Err()
	}
	return false, a.result(a.watch.stop(), refused)
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
			return 0, plan.StartError(plan.StepPipe, err)
		}
		a.c.ErrFD = a.record.w
		defer a.record.closeWriter()
	}
	a.fds.SetLent(a.r)
	if a.relay {
		if a.noted = a.scored; a.noted {
			ownScore.begin()
		}
		a.watch = watchRelay(a.ctx, a.r)
	} else if a.way == vforkWay {
		a.watch = watchClone(a.ctx, a.r)
	}
	a.clock.begin(a)
	a.child.PID, errno = a.r.Start(a.c)
	_ = a.watch.stop() // it may be about to use the number that the pidfd has now
	if a.relay {
		a.openPidfd()
	}
	a.child.Pidfd = raisePidfd(a.r, a.child.PID)
	a.child.claim = raw.ClaimPidfd(a.child.Pidfd)
	a.child.silent = a.relay
	if a.child.PID != 0 && a.child.Pidfd < 0 {
		noteByPid(a.child.PID)
	}
	if a.way != vforkWay && a.child.PID != 0 {
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
		a.child.discard()
		a.release()
	}()
}

// keep makes memory of a program that is run but once that of the collector.
func (p *Program) keep() {
	if p.memory != nil {
		p.memory = nil
	}
}
