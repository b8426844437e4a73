//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// child is what a child is known by while it hasn't been reaped.
type child struct {
	engine.Child
	file   *os.File // pidfd, registered with the poller; nil until somebody parks
	users  int32    // of file
	stray  bool     // the number of file is somebody else's
	copied bool     // file is another descriptor
	exit   raw.Exit
	state  ProcessState // Process.state points here, to save an allocation
}

func (c *child) signal(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	return c.Signal(s)
}

func (c *child) signalGroup(sig os.Signal) error {
	s, ok := sig.(syscall.Signal)
	if !ok {
		return syscall.EINVAL
	}
	return c.SignalGroup(s)
}

// groupSeen reports whether the child leads a group, which lasts for as long as the child is
// held.
func (c *child) groupSeen() bool { return c.Leads }

// hasGroup reports whether somebody is in the group that the child leads, a zombie
// included, if that is known.
func (c *child) hasGroup(bool) (some, known bool) { return c.HasGroup() }

// WithPidfd calls f with a pidfd of the child and returns the result of f. The
// descriptor is f's only during the call: f must neither close it nor keep it. If
// the child has been reaped, WithPidfd returns os.ErrProcessDone. If the kernel has
// no pidfds, the error matches errors.ErrUnsupported. Linux 5.4. See pidfd_open(2).
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
	defer p.mu.Unlock() // who has reaped the child tells of it
	switch {
	case p.over:
		return -1, p.gone()
	case p.child.Pidfd < 0:
		return -1, missing("Process.WithPidfd", "pidfds", "5.4")
	}
	if !p.child.Holds() {
		return -1, os.NewSyscallError("fcntl", unix.EBADF) // other code has closed it
	}
	p.child.poll() // which does not go unnoticed by those who have copies
	return p.child.Dup()
}

// shortWait looks for the end of the child for a short time, if there is a place
// for it, and reports whether it has come.
func (p *Process) shortWait(ctx context.Context) bool {
	return p.shortLook(ctx, (*Process).tryReap)
}

// shortLook calls look for a short time, until it returns true.
func (p *Process) shortLook(ctx context.Context, look func(p *Process) bool) bool {
	if !p.young && look(p) {
		return true
	}
	ended := false
	engine.ShortWait(func() bool {
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
	defer p.unlock()
	return p.lookLocked(options)
}

// lookLocked is look for a caller that holds p.mu.
func (p *Process) lookLocked(options int) bool {
	if p.over {
		return true
	}
	c := &p.child
	if options == 0 && (p.holders > 0 || !c.Settled(&c.exit)) {
		return false
	}
	switch errno := c.Ask(options, &c.exit); {
	case errno == unix.ECHILD:
		p.finish(p.taken())
	case errno == unix.ENOTSUP:
		return false
	case errno != 0:
		p.finish(nil, os.NewSyscallError("waitid", errno))
	case c.exit.PID == 0:
		return false
	case options&unix.WNOWAIT != 0:
		return true
	default:
		c.state = ProcessState{pid: p.pid, status: c.exit.Status, usage: &c.exit.Usage}
		c.state.code, c.state.coded = c.Crash(c.exit.Status)
		p.finish(&c.state, nil)
	}
	p.closePidfd()
	return true
}

// closePidfd closes the pidfd of a child that is over. A registered one is closed
// by the last who has parked on it. The caller holds p.mu.
func (p *Process) closePidfd() {
	c := &p.child
	if p.holders > 0 {
		return
	}
	if c.file == nil || c.Shares() {
		c.Close()
	}
	if c.file == nil {
		return
	}
	if c.Pidfd >= 0 || c.Lost() {
		c.stray = c.stray || !c.Closable()
		c.Pidfd = -1
	}
	switch {
	case c.users > 0:
	case c.stray || c.copied && !c.isPidfd(c.file):
		highfd.NeverClose(c.file)
	default:
		c.file.Close()
	}
}

// reaping says that package exec reaps the child now.
func (p *Process) reaping() { p.disown() }

// detach lets go of an attached process, and reports whether it is one.
func (p *Process) detach() bool {
	p.mu.Lock()
	defer p.unlock()
	if !p.child.Attached {
		return false
	}
	if p.over {
		return true
	}
	p.finish(nil, errReleased)
	p.closePidfd()
	if p.child.file != nil {
		_ = p.child.file.SetReadDeadline(time.Unix(1, 0)) // wakes those who have parked on it
	}
	return true
}

// disownChild is disown. The caller holds p.mu.
func (p *Process) disownChild() (reaped bool) {
	reaped = p.child.Ask(unix.WNOWAIT, &p.child.exit) == unix.ECHILD
	p.finish(nil, ErrStatusTaken)
	p.closePidfd()
	return reaped
}

// taken finds the status of a child that somebody else has waited for.
func (p *Process) taken() (*ProcessState, error) {
	if x, ok := p.child.Known(); ok {
		s := &ProcessState{pid: p.pid, status: x.Status, usage: &x.Usage}
		s.code, s.coded = p.child.Crash(x.Status)
		return s, nil
	}
	status, err := p.child.Taken()
	if err != nil {
		return nil, err
	}
	s := &ProcessState{pid: p.pid, status: status}
	s.code, s.coded = p.child.Crash(status)
	return s, nil
}

// reap waits for the end in the background. It costs a goroutine, and where there are
// no pidfds one thread for all children.
func (p *Process) reap() {
	for {
		p.await((*Process).mayBeReapedLocked)
		over, held := p.lookUnheld()
		if over {
			return
		}
		if held != nil {
			<-held
		}
	}
}

// mayBeReapedLocked reports whether the child is over, or would be if nobody held it.
// The caller holds p.mu.
func (p *Process) mayBeReapedLocked() bool {
	over, held := p.lookUnheldLocked()
	return over || held != nil
}

// hasEndedLocked is hasEnded for a caller that holds p.mu.
func (p *Process) hasEndedLocked() bool { return p.lookLocked(unix.WNOWAIT) }

// lookUnheld reports whether the child is over. It reaps a child that has ended, or
// returns what is closed when nobody holds it.
func (p *Process) lookUnheld() (over bool, held <-chan struct{}) {
	p.mu.Lock()
	defer p.unlock()
	return p.lookUnheldLocked()
}

// lookUnheldLocked is lookUnheld for a caller that holds p.mu.
func (p *Process) lookUnheldLocked() (over bool, held <-chan struct{}) {
	if p.holders == 0 {
		return p.lookLocked(0), nil
	}
	if p.lookLocked(unix.WNOWAIT) && !p.over {
		return false, p.held
	}
	return p.over, nil
}

// forget lets go of what is left of a child that is over. The caller holds p.mu.
func (p *Process) forget() { p.closePidfd() }

// waitEnd waits for the end, by WaitExited where that is possible.
func (p *Process) waitEnd(ctx context.Context) error {
	if ctx.Err() != nil {
		if p.hasEnded() {
			return nil
		}
		return ctx.Err()
	}
	if err := p.waitExited(ctx); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	select {
	case <-p.Done():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// waitExited is WaitExited.
func (p *Process) waitExited(ctx context.Context) error {
	if !kernel.Current().Waitid && p.blind() {
		return missing("Process.WaitExited", "waitid, pidfds or /proc", "")
	}
	if p.shortLook(ctx, (*Process).hasEnded) {
		return nil
	}
	if ctx.Done() == nil {
		p.await((*Process).hasEndedLocked)
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

// blind reports whether there is no way to see the end and leave a zombie.
func (p *Process) blind() bool {
	p.mu.Lock()
	defer p.unlock()
	return !p.over && p.child.Ask(unix.WNOWAIT, &p.child.exit) == unix.ENOTSUP
}

// watchEnd returns a channel that is closed when the child has ended.
func (p *Process) watchEnd() <-chan struct{} {
	p.mu.Lock()
	defer p.unlock()
	if p.ended == nil {
		p.ended = make(chan struct{})
		go func() {
			p.await((*Process).hasEndedLocked)
			close(p.ended)
		}()
	}
	return p.ended
}

// await parks until look returns true, which is called with p.mu held.
func (p *Process) await(look func(p *Process) bool) {
	f := p.register()
	if f == nil {
		p.awaitBlocking(look)
		return
	}
	defer p.unregister()
	conn, err := f.SyscallConn()
	for rest := firstRest; err == nil; rest = min(2*rest, lastRest) {
		if err = f.SetReadDeadline(time.Now().Add(rest)); err != nil {
			break
		}
		err = conn.Read(func(uintptr) bool { return p.lookFor(look) || p.strays() || p.unread() })
		if errors.Is(err, os.ErrDeadlineExceeded) && !p.strays() {
			err = nil
			continue
		}
		break
	}
	if err != nil || p.strays() || p.unread() {
		p.awaitBlocking(look)
	}
}

// Whoever parks on a pidfd wakes up once in a while and looks: other code may have
// closed the number, by mistake, and then the poller never tells.
const (
	firstRest = time.Second
	lastRest  = time.Minute
)

// unread reports whether an attached process has ended, and its status is not known so
// far: the poller tells only of the end.
func (p *Process) unread() bool {
	p.mu.Lock()
	defer p.unlock()
	return !p.over && p.child.Unread()
}

// strays reports whether the pidfd that is in the poller is somebody else's.
func (p *Process) strays() bool {
	p.mu.Lock()
	defer p.unlock()
	return p.child.Lost()
}

// lookFor calls look with p.mu held.
func (p *Process) lookFor(look func(p *Process) bool) bool {
	p.mu.Lock()
	defer p.unlock()
	return look(p)
}

// awaitBlocking is await without a poller. The thread that looks may be that of all
// children, which no Logger and no Observer may hold up, so those are told afterwards.
func (p *Process) awaitBlocking(look func(p *Process) bool) {
	dup := p.dupOrNone
	if p.child.Attached {
		dup = nil
	}
	engine.AwaitEnd(p.pid, dup, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return look(p)
	})
	p.lookFor(look)
}

func (p *Process) dupOrNone() int {
	p.mu.Lock()
	defer p.unlock()
	return p.child.DupOrNone()
}

// change asks whether the child was stopped or continued.
func (p *Process) change() (status syscall.WaitStatus, changed bool, err error) {
	p.mu.Lock()
	defer p.unlock()
	switch c := &p.child; {
	case c.Attached:
		return 0, false, missing("Process.Events", "stops of a process that is attached", "")
	case c.Traced:
		return 0, false, missing("Process.Events", "stops of a child that is traced", "")
	case !kernel.Current().Waitid:
		return 0, false, missing("Process.Events", "waitid", "")
	case p.over:
		return 0, false, nil
	}
	status, changed, errno := p.child.Change()
	if errno != 0 && errno != unix.ECHILD { // else the end is to come
		err = os.NewSyscallError("waitid", errno)
	}
	return status, changed, err
}

// hasNoPidfd reports whether a pid is that of a child of this package that has no pidfd.
func hasNoPidfd(pid int) bool { return engine.KnownByPid(pid) }

// register makes the pidfd known to the poller. It returns nil where there is
// none, or nothing to wait for any more.
func (p *Process) register() *os.File {
	p.mu.Lock()
	defer p.unlock()
	if p.over || !p.child.poll() {
		return nil
	}
	p.child.users++
	return p.child.file
}

// pollTries bounds how often a call is made that should not fail.
const pollTries = 3

// poll makes file, and reports whether there is one. Package os puts into the
// poller what is non-blocking at that moment; to stay so would change the pidfd
// for whoever has a copy, or waits by it.
func (c *child) poll() bool {
	if c.file == nil {
		c.Check()
	}
	if c.file != nil || c.Pidfd < 0 {
		return c.file != nil
	}
	fd := c.Pidfd
	if c.Shares() { // package os closes that, too
		if fd = c.DupOrNone(); fd < 0 {
			return false
		}
		c.copied = true
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		if c.copied {
			unix.Close(fd)
			c.copied = false
		}
		return false
	}
	c.file = os.NewFile(uintptr(fd), "pidfd")
	for range pollTries {
		if unix.SetNonblock(fd, false) == nil {
			break
		}
	}
	return true
}

// unregister ends what register began.
func (p *Process) unregister() {
	p.mu.Lock()
	defer p.unlock()
	p.child.users--
	if p.over {
		p.closePidfd()
	}
}
