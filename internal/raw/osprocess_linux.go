//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"errors"
	"os"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// osProcess is os.Process, as far as it is known here. Package os makes one of a pid
// alone, and opens a second pidfd for it.
type osProcess struct {
	Pid     int
	state   atomic.Uint32
	_       sync.RWMutex
	handle  *osHandle
	cleanup runtime.Cleanup // of handle
}

// osHandle is the pidfd of an os.Process, which is closed with the last reference.
type osHandle struct {
	handle uintptr
	refs   atomic.Int32
}

// The states of an os.Process that was waited for, and of one that was released.
const (
	osDone     = 1
	osReleased = 2
)

// release gives up a reference.
func (h *osHandle) release() {
	if h.refs.Add(-1) == 0 {
		_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, h.handle, 0, 0) // does not block
	}
}

// OSChild is a child as package os knows it: a process, and how it ended.
type OSChild struct {
	process os.Process // first, so that it may have a finalizer
	state   os.ProcessState
	mu      sync.Mutex // guards exit and shared
	exit    Exit
	shared  bool // somebody else reaps the child
	pid     int
	claim   Claim

	forsaken bool
}

// KnowsOS reports whether package os has its types as they are known here, so that
// NewOSChild may be called.
var KnowsOS = sync.OnceValue(func() bool {
	return alike(reflect.TypeFor[os.Process](), reflect.TypeFor[osProcess]()) &&
		alike(reflect.TypeFor[os.ProcessState](), reflect.TypeFor[osState]()) && tryOSChild()
})

// tryOSChild reports whether package os understands an OSChild. It has no descriptor.
func tryOSChild() bool {
	c := NewOSChild(1, -1, Claim{})
	c.Keep(func(int, int) bool { return false }, nil)
	p, handle := c.Process(), 0
	err := p.WithHandle(func(h uintptr) { handle = int(h) })
	if err != nil || handle != -1 || p.Pid != 1 {
		return false
	}
	c.exit = Exit{PID: 1, Status: waitStatus(cldExited, 3)}
	s := c.End()
	_, werr := p.Wait()
	return errors.Is(p.WithHandle(func(uintptr) {}), os.ErrProcessDone) && errors.Is(werr, unix.ECHILD) &&
		s.Pid() == 1 && s.ExitCode() == 3 && s.SysUsage() == &c.exit.Usage
}

// NewOSChild makes an OSChild of a child that has not been reaped. The pidfd and
// the claim to its number are the process's from then on. Keep or End must be called, or the process be waited for.
func NewOSChild(pid, pidfd int, claim Claim) *OSChild {
	c, h := &OSChild{pid: pid, claim: claim}, &osHandle{handle: uintptr(pidfd)}
	h.refs.Store(1)
	c.os().Pid, c.os().handle = pid, h
	return c
}

func (c *OSChild) os() *osProcess { return (*osProcess)(unsafe.Pointer(&c.process)) }

// Keep has the pidfd closed when the process is garbage, as that of any os.Process,
// but not where the number is somebody else's by then. isPidfd looks for that. orphan, if
// it is not nil, gets the pidfd and closes it.
func (c *OSChild) Keep(isPidfd func(fd, pid int) bool, orphan func(pid, fd int, claim Claim)) {
	p := c.os()
	p.cleanup = runtime.AddCleanup(&c.process, kept.release, kept{p.handle, c.claim, c.pid, isPidfd, orphan})
}

// kept is the pidfd of a process that may become garbage.
type kept struct {
	handle  *osHandle
	claim   Claim
	pid     int
	isPidfd func(fd, pid int) bool
	orphan  func(pid, fd int, claim Claim)
}

func (k kept) release() {
	fd := int(k.handle.handle)
	switch {
	case !k.claim.Holds(fd) || !k.isPidfd(fd, k.pid):
	case k.orphan != nil && k.handle.refs.CompareAndSwap(1, 0):
		k.orphan(k.pid, fd, k.claim)
	default:
		k.handle.release()
	}
}

// Hold keeps the pidfd open until LetGo is called. It returns false where the process
// was waited for or released.
func (c *OSChild) Hold() (pidfd int, claim Claim, ok bool) {
	h := c.os().handle
	for c.os().state.Load() == 0 {
		n := h.refs.Load()
		if n <= 0 {
			break
		}
		if h.refs.CompareAndSwap(n, n+1) {
			return int(h.handle), c.claim, true
		}
	}
	return -1, Claim{}, false
}

// LetGo ends Hold. The pidfd is closed with the last reference, if it may be.
func (c *OSChild) LetGo(closable bool) {
	switch h := c.os().handle; {
	case closable:
		h.release()
	default:
		h.refs.Add(-1) // the number is somebody else's
	}
}

// Share says that somebody else reaps the child from now on.
func (c *OSChild) Share() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shared = true
}

// Ask asks for the end by the pidfd, and reaps the child if it has ended, unless it is
// shared. pid is 0 if it has not.
func (c *OSChild) Ask(pidfd int) (pid int, errno syscall.Errno) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shared {
		var x Exit
		errno = Waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, &x)
		return x.PID, errno
	}
	errno = Waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WNOHANG, &c.exit)
	return c.exit.PID, errno
}

// Learn is for how a child has ended that somebody else has reaped.
func (c *OSChild) Learn(status syscall.WaitStatus, usage *syscall.Rusage) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.exit = Exit{PID: c.pid, Status: status}
	if usage != nil {
		c.exit.Usage = *usage
	}
}

// Known returns how the child ended, if that was found out so far.
func (c *OSChild) Known() (x Exit, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.exit, c.exit.PID == c.pid
}

// PID is the process id, also when the process was released.
func (c *OSChild) PID() int { return c.pid }

// Holds reports whether a pidfd is the child's as far as that is known: other code may
// have closed it, and its number have come to another child.
func (c *OSChild) Holds(pidfd int) bool { return c.claim.Holds(pidfd) }

// Process is the process.
func (c *OSChild) Process() *os.Process { return &c.process }

// Exit is for how the child ended, which whoever reaps it finds out. After End it is
// not to be changed.
func (c *OSChild) Exit() *Exit { return &c.exit }

// Forsake says that the number of the pidfd is somebody else's, so that it must not be
// used or closed. From then until End the process counts as released.
func (c *OSChild) Forsake() {
	if p := c.os(); p.state.CompareAndSwap(0, osReleased) {
		p.cleanup.Stop()
		c.forsaken = true
	}
}

// End says that the child was reaped, so that the process does not use the pidfd any
// more, as os.Process.Wait does. It returns how the child ended, according to Exit.
func (c *OSChild) End() *os.ProcessState {
	if p := c.os(); c.forsaken {
		p.state.Store(osDone)
	} else if p.state.CompareAndSwap(0, osDone) {
		p.cleanup.Stop()
		p.handle.release()
	}
	runtime.KeepAlive(c)
	s := (*osState)(unsafe.Pointer(&c.state))
	s.pid, s.status, s.rusage = c.pid, c.exit.Status, &c.exit.Usage
	return &c.state
}
