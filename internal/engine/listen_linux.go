//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// theListener is what the step is about if it is this process that has failed.
const theListener = "the listener"

// lowerListening has the child say that it is about to install a filter with a listener. The
// child may make no call of which the filter notifies before this process has the listener, so
// it says so before. It then waits in a call that each such filter notifies of, for this
// process to answer it by the listener. A child with a copy of the memory says by what number
// it will have the listener, the lowest that is free.
func (p *Program) lowerListening(pl *plan.Plan) error {
	p.listens = pl.Listener
	if p.listens == nil {
		return nil
	}
	if err := p.mayListen(); err != nil {
		return p.listenError(err)
	}
	b := pl.Builder()
	pl.AttrStep(plan.StepSeccomp, p.listens.Index, theListener)
	if p.feat.SharedMemory {
		b.Announce(uint8(plan.Mask))
		return nil
	}
	number := b.Var()
	pl.Call(plan.Mask, raw.Fcntl, p.fds.Record(), raw.Int(unix.F_DUPFD_CLOEXEC), raw.Int(0)).Keep(number)
	pl.Call(plan.Mask, raw.Close, raw.VarArg(number, 0))
	pl.Call(plan.Mask, raw.Write, p.fds.Record(), b.AddrOf(number), raw.Int(announcedSize))
	return nil
}

// mayListen reports why this process can't take a listener, as far as that is known before
// there is a child.
func (p *Program) mayListen() error {
	switch {
	case !p.feat.Pidfd:
		return &attr.UnsupportedError{What: "pidfds", Since: "5.4", Err: unix.ENOSYS}
	case !kernel.MayGetFD():
		return unix.EPERM
	}
	return nil
}

// listenError is the error of a listener that can't be taken.
func (p *Program) listenError(err error) error {
	e := &plan.Error{Part: plan.PartAttr, Step: plan.StepSeccomp, Index: p.listens.Index, Object: theListener, Err: err}
	var errno syscall.Errno
	switch {
	case err == error(unix.ENOSYS):
		e.Err = &attr.UnsupportedError{What: "pidfd_getfd", Since: "5.6", Err: err}
	case errors.As(err, &errno):
		e.Hint = noListener(errno)
	}
	return e
}

// noListener is why a listener can't be made, or not be taken.
func noListener(errno syscall.Errno) string {
	switch errno {
	case unix.EBUSY:
		return "a filter of this process has a listener already, or the listener is that of another child"
	case unix.EMFILE:
		return "the listener needs a number below RLIMIT_NOFILE, in the child and in this process"
	case unix.EPERM:
		if !kernel.MayGetFD() {
			return "a filter of this process is against pidfd_getfd"
		}
		if n, ok := sysctl("kernel/yama/ptrace_scope"); ok && n > 1 {
			return fmt.Sprintf("kernel.yama.ptrace_scope is %d", n)
		}
		return "this process may not trace the child; a child with other ids or capabilities, or in a user namespace, takes CAP_SYS_PTRACE"
	}
	return ""
}

// mayTrace reports whether this process may trace the child, as far as the child is hidden from
// those without CAP_SYS_PTRACE. No child is made that it may not: the child would wait for this
// process, which may not be permitted to kill it, either.
func (p *Program) mayTrace() bool {
	if p.hiding == nil {
		return true
	}
	mine, err := threadCaps()
	return err != nil || mine.effective.has(unix.CAP_SYS_PTRACE)
}

// startListening is Start for a program with a listener.
func (p *Program) startListening(ctx context.Context) (Child, error) {
	if !p.mayTrace() {
		return Child{}, p.listenError(unix.EPERM)
	}
	if err := p.listens.Begin(); err != nil {
		return Child{}, p.listenError(err)
	}
	c, err := p.start(ctx)
	p.listens.End(err != nil)
	return c, err
}

// listen takes the listener, and lets the child go on. left says that the child is still there
// though it was to end. A child that has ended at a step of its own is no error.
func (a *attempt) listen() (left bool, err error) {
	f, err := a.takeListener()
	switch {
	case err != nil:
	case f != nil:
		a.listens.Deliver(f)
		if !a.abandoned() {
			return false, nil
		}
		err = os.ErrClosed
	case a.watch.gaveUp():
		return false, nil
	case a.ctx.Err() != nil:
		return false, nil
	default:
		if _, _, failed := a.r.Failure(); failed {
			return false, nil
		}
		err = fmt.Errorf("killed before its listener was taken: %w", unix.ECANCELED)
	}
	err = a.listenError(err)
	return a.child.kill() != nil, err
}

// takeListener returns neither a file nor an error if the child has ended, or the context.
func (a *attempt) takeListener() (*os.File, error) {
	for !a.announced() {
		if a.over(restTime) || a.watch.gaveUp() {
			return nil, nil
		}
	}
	fd, err := a.copyListener()
	if fd < 0 {
		return nil, err
	}
	if fd, err = highfd.Raise(fd); err != nil {
		return nil, err
	}
	met, err := a.meet(fd)
	if err == nil && met {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil || !met {
		unix.Close(fd)
		return nil, err
	}
	f := os.NewFile(uintptr(fd), "seccomp listener")
	if !highfd.Pollable(f) {
		f.Close()
		return nil, fmt.Errorf("the runtime can't wait for its calls: %w", unix.ENOSPC)
	}
	return f, nil
}

// abandoned waits for the child to be past execve or dead, and reports whether it is neither,
// with its listener closed here. Nobody answers its calls then, and they wait all the same: it
// has a descriptor of the listener itself.
func (a *attempt) abandoned() bool {
	for !a.over(restTime) && !a.watch.gaveUp() {
		// The program may have been the reason to close it. The second look sees to that.
		if a.listens.Closed() && !a.over(restTime) {
			return true
		}
	}
	return false
}

// announced reports whether the child is about to have a listener, or has it.
func (a *attempt) announced() bool {
	if a.way == copyWay {
		return a.record.announced
	}
	return a.r.Announced() || a.r.GetShared(a.listens.Number) != plan.NoNumber
}

// copyListener makes a descriptor of the child's listener, as soon as it has one. It returns
// -1 if the child has ended.
func (a *attempt) copyListener() (fd int, err error) {
	fd = -1
	poll(func() bool {
		number := a.listenerNumber()
		if number != plan.NoNumber {
			fd, err = unix.PidfdGetfd(a.child.Pidfd, int(number), 0)
		}
		switch {
		case number != plan.NoNumber && err == nil:
			return true
		case err == unix.ESRCH || err == unix.EBADF: // it has ended, or not yet
			fd, err = -1, nil
		case err != nil:
			fd = -1
			return true
		}
		return a.over(0) || a.watch.gaveUp()
	})
	return fd, err
}

// listenerNumber is the child's number of its listener. A child with a copy of the memory may
// not have it yet.
func (a *attempt) listenerNumber() uint64 {
	if a.way == copyWay {
		return a.record.number
	}
	return a.r.GetShared(a.listens.Number)
}

// meet answers the call in which the child waits.
func (a *attempt) meet(fd int) (met bool, err error) {
	var n raw.Notification
	for !a.over(0) && !a.watch.gaveUp() {
		if ready, _ := raw.NotifyReady(fd, restTime); !ready {
			continue
		}
		errno := raw.NotifyReceive(fd, &n)
		if errno == 0 && (int(n.PID) != a.child.PID || n.Args[1] != plan.Rendezvous) {
			return false, unix.ECANCELED // this is not the child's
		}
		if errno == 0 {
			errno = raw.NotifyAnswer(fd, raw.Answer{ID: n.ID})
		}
		switch errno {
		case 0:
			return true, nil
		case unix.ENOENT: // killed, or interrupted by a stop: it makes the call again
		default:
			return false, errno
		}
	}
	return false, nil
}
