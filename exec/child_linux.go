//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// child is the process while it may have to be waited for. The one handle that
// there is of it is that of os.Process, whose methods close it.
type child struct {
	process *os.Process
	own     *raw.OSChild   // process is its own; nil where package os has made that
	stray   bool           // the handle's number is somebody else's
	blind   bool           // the handle did not tell of the end
	young   bool           // it has only just been made: to look at once is in vain
	started *spawn.Process // that tells of optional attributes; nil without them
	proc    *spawn.Process // nil where package os has made process, which has a handle, and no tree needs it
	shared  bool           // proc has the handle, too, or one of its own
	last    bool           // package os has made process, in a tree that may know it by its pid
	given   bool           // the caller has got a pidfd, and may wait by that
	traced  bool           // Wait returns at stops, too, as long as there is no tree
	lost    bool           // somebody has reaped it, before process was made
}

// knowsOS reports whether an *os.Process may be made here. Tests change it.
var knowsOS = raw.KnowsOS

// adopt makes an *os.Process of the child, which has the pidfd as its handle. Where
// that is 0 it is taken from proc. Where that can't be package os makes the process, which
// goes by the pid: it is the child's own until it is reaped.
func (c *Cmd) adopt(proc *spawn.Process, o *handover.Option) {
	pidfd, claim, taken := o.Pidfd, o.Claim, o.Pidfd != 0
	if !taken && knowsOS() {
		pidfd, claim, taken = handover.Take(proc)
	}
	inTree := c.tree != nil || o.Reaping != nil
	if taken {
		own := raw.NewOSChild(proc.Pid(), pidfd, claim)
		c.child = child{process: own.Process(), own: own, proc: proc, traced: c.traces() && c.tree == nil}
		if inTree {
			c.child.share()
		}
	} else {
		c.child = c.find(proc, inTree)
	}
	if proc.Applied() != nil {
		c.child.started = proc
	}
	c.Process = c.child.process
	c.givePidfd()
}

// find makes the process by way of package os. inTree says that a tree needs proc.
func (c *Cmd) find(proc *spawn.Process, inTree bool) child {
	p, handle := find(proc.Pid())
	var lost bool
	if !inTree && handle {
		lost = handover.Disown(proc)
		proc = nil
	} else {
		lost = reaped(proc)
		// os/exec does not reap what nobody waits for: somebody may, who knows
		// the pid.
		handover.Leave(proc)
	}
	if lost {
		p, proc = ended(p.Pid), nil
	}
	return child{process: p, proc: proc, shared: proc != nil, last: inTree && proc != nil, traced: c.tree == nil && c.traces(), lost: lost}
}

// find is os.FindProcess. It reports whether the process has a handle, which then
// has a number from highfd.Least up.
func find(pid int) (p *os.Process, handle bool) {
	p, _ = os.FindProcess(pid) // never fails on Unix
	low := false
	handle = p.WithHandle(func(h uintptr) { low = h < highfd.Least }) == nil
	if !low {
		return p, handle
	}
	defer p.Release() // another can't have its number as long as it is open
	return find(pid)
}

// ended is a process that is known to have ended. os.FindProcess makes one of a
// pid that no process can have.
func ended(pid int) *os.Process {
	p, _ := os.FindProcess(math.MaxInt32) // never fails on Unix
	p.Pid = pid
	return p
}

// reaped reports whether somebody has reaped a child.
func reaped(p *spawn.Process) bool {
	const options = unix.WEXITED | unix.WNOHANG | unix.WNOWAIT
	err := p.WithPidfd(func(fd uintptr) error { return unix.Waitid(unix.P_PIDFD, int(fd), nil, options, nil) })
	return errors.Is(err, unix.ECHILD) || errors.Is(err, os.ErrProcessDone)
}

// traces reports whether the child is traced by the thread that calls Start.
func (c *Cmd) traces() bool {
	return c.SysProcAttr != nil && c.SysProcAttr.Ptrace || hasType[attr.Ptrace](c.Attr)
}

// givePidfd is for SysProcAttr.PidFD, which is the caller's to close. As with
// os/exec it is a duplicate of the handle.
func (c *Cmd) givePidfd() {
	if c.SysProcAttr == nil || c.SysProcAttr.PidFD == nil {
		return
	}
	c.child.given = true
	pidfd := -1
	_ = c.Process.WithHandle(func(h uintptr) { // else there is none
		if fd, err := highfd.Dup(int(h)); err == nil {
			pidfd = fd
		}
	})
	*c.SysProcAttr.PidFD = pidfd
}

// awaitExec waits until /proc shows the program that was started. The kernel tells
// this process of an execve when the child has no use for its memory any more,
// before the child has another name and has closed what is close-on-exec. kcmp
// waits for the rest. Containers refuse it: then the child's auxiliary vector shows what
// memory it has, as far as /proc shows that: not without privilege in a process that is not
// dumpable. To open the file waits, too, once execve has come to other memory.
func (c *child) awaitExec() {
	const kcmpVM = 1
	for begin := time.Now(); ; runtime.Gosched() {
		same, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(c.process.Pid), kcmpVM, 0, 0, 0)
		if refused := errno != 0 && errno != unix.ESRCH; refused {
			if !c.hasOwnVector() || time.Since(begin) > sameVectorTime {
				return
			}
		} else if errno != 0 || same != 0 {
			return
		}
	}
}

// sameVectorTime is how long a program may seem to be this process: one of the same name,
// arguments and environment does where the kernel places nothing by chance.
const sameVectorTime = 100 * time.Millisecond

// hasOwnVector reports whether the child's auxiliary vector is that of this process.
func (c *child) hasOwnVector() bool {
	theirs, err := highfd.ReadFile("/proc/" + strconv.Itoa(c.process.Pid) + "/auxv")
	return err == nil && len(theirs) > 0 && bytes.Equal(theirs, ownVector())
}

// ownVector is that of this process. It may be empty for a time: while this process is not
// dumpable, or without descriptors.
func ownVector() []byte {
	if v := knownVector.Load(); v != nil {
		return *v
	}
	vector, err := highfd.ReadFile("/proc/self/auxv")
	if err == nil {
		knownVector.Store(&vector)
	}
	return vector
}

var knownVector atomic.Pointer[[]byte]

// wait returns when the child has ended, or when reap is to wait for it. Where
// process is its own it may be reaped.
func (c *child) wait() {
	if c.traced || c.lost {
		return
	}
	err := c.process.WithHandle(func(h uintptr) { c.awaitHandle(int(h)) })
	if errors.Is(err, os.ErrNoHandle) && c.proc != nil {
		_ = c.proc.WaitExited(context.Background()) // if it fails, too:
		c.blind = true
	}
	// A tree is killed next, so the number must tell.
	if c.stray || c.blind {
		var x raw.Exit
		raw.Waitid(unix.P_PID, c.process.Pid, unix.WEXITED|unix.WNOWAIT, &x) // if it fails reap says why
	}
}

// reap reaps the child.
func (c *child) reap() (*os.ProcessState, error) {
	switch {
	case c.lost:
		return nil, os.NewSyscallError("waitid", syscall.ECHILD)
	case c.stray:
		return c.reapByPid()
	case c.own != nil && !c.traced && c.reapOwn():
		return c.own.End(), nil
	}
	if c.last && c.over() {
		handover.Disown(c.proc) // before the number is another's, which a tree may signal
	}
	state, err := c.process.Wait()
	for tries := 3; tries > 0 && err != nil && !errors.Is(err, syscall.ECHILD) && err != error(syscall.EINVAL); tries-- {
		state, err = c.process.Wait() // or the child stays a zombie
	}
	if errors.Is(err, syscall.ECHILD) && c.own != nil {
		c.own.End() // which closes the handle
	}
	return state, err
}

// reapByPid reaps a child that has no handle any more.
func (c *child) reapByPid() (*os.ProcessState, error) {
	c.own.Forsake()
	if errno := raw.Waitid(unix.P_PID, c.own.PID(), unix.WEXITED, c.own.Exit()); errno != 0 {
		c.own.End()
		return nil, os.NewSyscallError("waitid", errno)
	}
	return c.own.End(), nil
}

// over reports whether the process has ended, and leaves it to be reaped.
func (c *child) over() bool {
	if c.lost {
		return true
	}
	var x raw.Exit
	errno := unix.EBADF
	err := c.process.WithHandle(func(h uintptr) {
		if c.own != nil && !c.own.Holds(int(h)) {
			return // it is somebody else's
		}
		errno = raw.Waitid(unix.P_PIDFD, int(h), unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &x)
	})
	switch {
	case err == nil:
		return errno == unix.ECHILD || errno == 0 && x.PID != 0
	case errors.Is(err, os.ErrNoHandle) && c.proc != nil:
		return c.proc.WaitExited(lookOnly) == nil
	}
	return errors.Is(err, os.ErrProcessDone)
}

// lookOnly is a context that has ended.
var lookOnly = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// begun says that the child was made just now and that Wait comes next.
func (c *child) begun(young bool) { c.young = young }

// awaitHandle returns when the child of a pidfd has ended, or that does not tell.
func (c *child) awaitHandle(pidfd int) {
	if c.shortWait(pidfd) {
		return
	}
	pid := c.process.Pid
	if !ends.await(pidfd, pid) {
		if !kernel.IsPidfd(pidfd, pid) {
			c.stray, c.blind = c.own != nil, true
			return
		}
		var x raw.Exit
		c.blind = isBlind(raw.Waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WNOWAIT, &x))
	}
	if c.own != nil && !c.hasEnded(pidfd) {
		c.blind = true
	}
}

// isBlind reports whether an error of waitid leaves open whether the child has ended.
func isBlind(errno syscall.Errno) bool { return errno != 0 && errno != unix.ECHILD }

// hasEnded reports whether there is nothing to wait for any more. It reaps the child
// where process is its own, and nobody shares it.
func (c *child) hasEnded(pidfd int) bool {
	if c.own == nil {
		var x raw.Exit
		errno := raw.Waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &x)
		c.blind = isBlind(errno)
		return errno != 0 || x.PID != 0
	}
	if !c.own.Holds(pidfd) {
		c.stray = true
		return true
	}
	pid, errno := c.own.Ask(pidfd)
	// A filter may refuse waitid with the same error.
	gone := errno == unix.EBADF && unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.EBADF
	c.stray = gone || pid != 0 && pid != c.own.PID()
	c.blind = isBlind(errno)
	return errno != 0 || pid != 0
}

// shortWait looks for the end of the child for a short time, if there is a place
// for it, and reports whether it has come.
func (c *child) shortWait(pidfd int) (over bool) {
	if !c.young && c.hasEnded(pidfd) {
		return true
	}
	engine.ShortWait(func() bool {
		over = c.hasEnded(pidfd)
		return over
	})
	return over
}
