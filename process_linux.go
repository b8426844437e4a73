//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// child is what a child is known by while it hasn't been reaped.
type child struct {
	pidfd  int      // -1 where the kernel has none, or not yet
	late   bool     // the pidfd is made when somebody parks; see plan.Unseen
	traced bool     // somebody in this process waits for its stops
	file   *os.File // pidfd, registered with the poller; nil until somebody parks
	users  int      // of file
	exit   raw.Exit
	state  ProcessState // Process.state points here, to save an allocation
}

func (c *child) signal(pid int, sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	var err error
	if c.pidfd >= 0 {
		err = unix.PidfdSendSignal(c.pidfd, s, nil, 0)
	} else {
		err = unix.Kill(pid, s)
	}
	if err == unix.ESRCH {
		return os.ErrProcessDone
	}
	return err
}

// WithPidfd calls f with a descriptor of the process, which is f's only for the
// time of the call. It returns what f returns, os.ErrProcessDone when the child
// has been reaped, and errors.ErrUnsupported where the kernel has no pidfds;
// Linux 5.4. See pidfd_open(2).
func (p *Process) WithPidfd(f func(fd uintptr) error) error {
	fd, err := p.dupPidfd()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return f(uintptr(fd))
}

func (p *Process) dupPidfd() (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.over:
		return -1, os.ErrProcessDone
	case p.child.pidfd < 0:
		return -1, missing("Process.WithPidfd", "pidfds", "5.4")
	}
	return unix.FcntlInt(uintptr(p.child.pidfd), unix.F_DUPFD_CLOEXEC, 0)
}

// maxShortWaits bounds how many goroutines look for the end of a child in a loop
// at the same time, and shortWaitTime for how long each does. A child that lives
// for microseconds is over by then; the way through the poller takes longer than
// such a child lives, because the kernel wakes a poller on an idle processor.
const (
	maxShortWaits = 16
	shortWaitTime = 100 * time.Microsecond
)

var shortWaits atomic.Int32

// shortWait looks for the end of the child for a short time, if there is a place
// for it, and reports whether it has come.
func (p *Process) shortWait(ctx context.Context) bool {
	return p.shortLook(ctx, (*Process).tryReap)
}

// shortLook calls look for a short time, until it returns true.
func (p *Process) shortLook(ctx context.Context, look func(p *Process) bool) bool {
	if look(p) {
		return true
	}
	if shortWaits.Add(1) > maxShortWaits {
		shortWaits.Add(-1)
		return false
	}
	defer shortWaits.Add(-1)
	ended := false
	raw.Spin(shortWaitTime, func() bool {
		ended = look(p)
		return ended || ctx.Err() != nil
	})
	return ended
}

// tryReap reaps the child if it has ended, and reports whether it is over.
func (p *Process) tryReap() bool { return p.look(0) }

// hasEnded reports whether the child has ended, and leaves it a zombie.
func (p *Process) hasEnded() bool { return p.look(unix.WNOWAIT) }

// look asks for the child's end with more options of waitid.
func (p *Process) look(options int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return true
	}
	x := &p.child.exit
	idType, id := unix.P_PIDFD, p.child.pidfd
	if id < 0 {
		idType, id = unix.P_PID, p.pid
	}
	if p.child.traced && options == 0 {
		// The stops of a child that is traced are for its tracer.
		errno := raw.Waitid(idType, id, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, x)
		if errno == 0 && x.PID == 0 {
			return false
		}
	}
	switch errno := raw.Waitid(idType, id, unix.WEXITED|unix.WNOHANG|options, x); {
	case errno == unix.ECHILD:
		p.finish(p.taken())
	case errno != 0:
		p.finish(nil, os.NewSyscallError("waitid", errno))
	case x.PID == 0:
		return false
	case options&unix.WNOWAIT != 0:
		return true
	default:
		p.child.state = ProcessState{p.pid, x.Status, &x.Usage}
		p.finish(&p.child.state, nil)
	}
	p.closePidfd()
	return true
}

// closePidfd closes the pidfd of a child that is over. A registered one is closed
// by the last who has parked on it. The caller holds p.mu.
func (p *Process) closePidfd() {
	switch {
	case p.child.file == nil && p.child.pidfd >= 0:
		unix.Close(p.child.pidfd)
	case p.child.file != nil && p.child.users == 0:
		p.child.file.Close()
	}
	p.child.pidfd = -1
}

// disown is Disown. The caller holds p.mu.
func (p *Process) disown() {
	p.finish(nil, ErrStatusTaken)
	p.closePidfd()
}

// taken finds the status of a child that somebody else has waited for.
func (p *Process) taken() (*ProcessState, error) {
	if p.child.pidfd >= 0 && currentFeatures().pidfdInfo {
		if status, ok := raw.PidfdExit(p.child.pidfd); ok {
			return &ProcessState{pid: p.pid, status: status}, nil
		}
	}
	return nil, ErrStatusTaken
}

// reap waits for the end in the background. It costs a goroutine, and a thread
// only where there are no pidfds.
func (p *Process) reap() { p.await((*Process).tryReap) }

// waitExited is WaitExited.
func (p *Process) waitExited(ctx context.Context) error {
	if p.shortLook(ctx, (*Process).hasEnded) {
		return nil
	}
	if ctx.Done() == nil {
		p.await((*Process).hasEnded)
		return nil
	}
	ended := p.watchEnd()
	select {
	case <-ended:
	case <-ctx.Done():
		if !p.hasEnded() {
			return ctx.Err()
		}
	}
	return nil
}

// watchEnd returns a channel that is closed when the child has ended.
func (p *Process) watchEnd() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended == nil {
		p.ended = make(chan struct{})
		go func() {
			p.await((*Process).hasEnded)
			close(p.ended)
		}()
	}
	return p.ended
}

// await parks until look, which is tryReap or hasEnded, returns true.
func (p *Process) await(look func(p *Process) bool) {
	f := p.register()
	if f == nil {
		p.awaitBlocking(look)
		return
	}
	defer p.unregister()
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Read(func(uintptr) bool { return look(p) })
	}
	if err != nil {
		p.awaitBlocking(look)
	}
}

// register makes the pidfd known to the poller. It returns nil where there is
// none, or nothing to wait for any more.
func (p *Process) register() *os.File {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over {
		return nil
	}
	if p.child.late {
		p.child.open(p.pid)
	}
	if p.child.pidfd < 0 {
		return nil
	}
	if p.child.file == nil {
		if err := unix.SetNonblock(p.child.pidfd, true); err != nil {
			return nil
		}
		p.child.file = os.NewFile(uintptr(p.child.pidfd), "pidfd")
	}
	p.child.users++
	return p.child.file
}

// open makes a pidfd of a child that was started without. Should somebody have
// reaped the child, its pid may be that of a process that is no child.
func (c *child) open(pid int) {
	c.late = false
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return
	}
	var x raw.Exit
	if raw.Waitid(unix.P_PIDFD, fd, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &x) != 0 {
		unix.Close(fd)
		return
	}
	c.pidfd = fd
}

// unregister ends what register began.
func (p *Process) unregister() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.child.users--
	if p.over {
		p.closePidfd()
	}
}

// awaitBlocking waits in a thread of its own. The child is left a zombie by the
// wait that blocks, so that its pid stays its own until look has the lock.
func (p *Process) awaitBlocking(look func(p *Process) bool) {
	for !look(p) {
		var x raw.Exit
		if raw.Waitid(unix.P_PID, p.pid, unix.WEXITED|unix.WNOWAIT, &x) == 0 && x.PID == 0 {
			time.Sleep(time.Millisecond) // it is traced and at a stop
		}
	}
}

func userTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano()) }

func systemTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Stime.Nano()) }

func maxRSS(u *syscall.Rusage) int64 { return u.Maxrss << 10 }
