//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"runtime"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// second is what a run has of a relay and of the child that it makes.
type second struct {
	args  cloneArgs // for the second child
	tid   int32     // of the relay, stored by the kernel
	state int32     // relayState
	stack stack     // of the second child
	pid   int       // of a relay that is to be reaped, else 0
	dead  bool      // somebody has killed the relay
}

func (s *second) reset() {
	s.pid, s.dead = 0, false
	atomic.StoreInt32(&s.tid, 0)
	atomic.StoreInt32(&s.state, 0)
}

// RelayFlags make the relay. It sends no signal when it ends and is to be waited for
// with __WALL, so nobody reaps it who waits for any child; nor the second child, which
// inherits this, until the kernel changes it at execve.
const RelayFlags uint64 = unix.CLONE_VM | unix.CLONE_FILES | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID

// bornPause bounds the time between two looks for the second child, in case that what
// tells of it is lost.
const bornPause = 100 * time.Millisecond

// startRelayed is Start for a program with a relay. It waits for the second child to
// be made.
func (r *Run) startRelayed(c Clone) (pid int, errno syscall.Errno) {
	r.setSecond(c)
	s := &r.second
	atomic.StoreInt32(&s.state, relayUnborn|relayAlive)
	r.nr = unix.SYS_CLONE
	r.arg = cloneOrder(uintptr(RelayFlags), r.stack.top(), addr(&s.tid), addr(&s.state), addr(&s.state))
	inSyscall(&r.run)
	runtime.KeepAlive(r.prog)
	if r.pid < 0 {
		s.reset()
		atomic.StoreInt32(&r.shares, 0)
		return 0, syscall.Errno(-r.pid)
	}
	s.pid = r.pid
	for atomic.LoadInt32(&s.state) == relayUnborn|relayAlive && r.TID() == 0 {
		if r.AwaitRelay(bornPause) {
			break
		}
	}
	// A relay that is dead makes no child any more.
	if pid = r.TID(); pid == 0 {
		for !r.AwaitRelay(bornPause) {
		}
		pid = r.TID()
	}
	if pid == 0 {
		atomic.StoreInt32(&r.shares, 0)
		atomic.StoreInt32(&r.pidfd, -1) // clone may have stored one before it failed
		return 0, 0
	}
	atomic.StoreInt32(&r.runs, 1)
	return pid, 0
}

// setSecond says how the relay makes the second child. clone(2) has no place for both
// the pid and the pidfd.
func (r *Run) setSecond(c Clone) {
	c.Flags |= unix.CLONE_PARENT | unix.CLONE_PARENT_SETTID
	if c.Flags&unix.CLONE_VM != 0 {
		c.Flags |= unix.CLONE_CHILD_CLEARTID
		atomic.StoreInt32(&r.shares, 1)
	}
	r.second.args = cloneArgs{
		flags:     c.Flags,
		pidFD:     uint64(addr(&r.pidfd)),
		childTID:  uint64(addr(&r.shares)),
		parentTID: uint64(addr(&r.tid)),
		stack:     uint64(r.second.stack.base()),
		stackSize: stackSize,
		cgroup:    uint64(c.Cgroup),
	}
	made := slices.IndexFunc(r.prog.info, func(i opInfo) bool { return i.sys == SysClone || i.sys == Clone3 })
	r.second.stack.frame.reset(&r.run, &r.prog.ops[made])
	if v := r.prog.relay.flags; v != 0 {
		r.Set(v, c.Flags&^unix.CLONE_PIDFD)
	}
}

// AwaitRelay waits until the relay of a run is dead, and reaps it. It gives up after
// about the time limit, when the second child is born, or when Interrupt is called, and
// returns false. It is for the goroutine that has called Start.
func (r *Run) AwaitRelay(limit time.Duration) bool {
	s := &r.second
	if s.pid == 0 {
		return true
	}
	options := unix.WALL
	if state := atomic.LoadInt32(&s.state); state != 0 {
		waitOn(&s.state, state, limit)
		switch atomic.LoadInt32(&s.state) {
		case 0:
		case state:
			options |= unix.WNOHANG // the kernel may not have cleared it, as where it dumps core
		default:
			return false
		}
	}
	var x Exit
	r.relayMu.Lock() // it is ending, or the call does not block
	defer r.relayMu.Unlock()
	tid := atomic.SwapInt32(&s.tid, 0) // nobody may kill by the number that is given away
	errno := Wait4(s.pid, options, &x)
	if errno != 0 && errno != unix.ECHILD {
		errno = Waitid(unix.P_PID, s.pid, unix.WEXITED|options, &x)
	}
	if errno == 0 && x.PID == 0 {
		atomic.StoreInt32(&s.tid, tid)
		return false
	}
	s.pid = 0
	s.dead = errno != 0 || x.Status.Signaled()
	return true
}

// RelayKilled reports whether somebody may have killed the relay of a run, which
// AwaitRelay has reaped.
func (r *Run) RelayKilled() bool { return r.second.dead }

// Relay is the pid of a relay that shares memory, and so was not reaped; else 0. It is
// for other goroutines. Nothing keeps it from being reaped afterwards.
func (r *Run) Relay() (pid int) {
	pid = int(atomic.LoadInt32(&r.second.tid))
	if atomic.LoadInt32(&r.second.state) == 0 {
		return 0
	}
	return pid
}

// KillRelay kills a relay that was not reaped, by its number, which stays its own
// meanwhile: nobody but AwaitRelay reaps a child that sends no signal at its end, unless
// other code waits for all kinds of children, with __WALL. It is for other goroutines.
func (r *Run) KillRelay() {
	r.relayMu.Lock()
	defer r.relayMu.Unlock()
	if pid := r.Relay(); pid != 0 {
		_ = unix.Kill(pid, unix.SIGKILL) // or it has ended
	}
}

// Shares reports whether the child, made without CLONE_VFORK or by a relay, shares
// memory, and so was not reaped.
func (r *Run) Shares() bool { return atomic.LoadInt32(&r.shares) != 0 }

// TID is the id of the child that a relay has made, and 0 before. It is for other
// goroutines, too, while Start is waiting.
func (r *Run) TID() int { return int(atomic.LoadInt32(&r.tid)) }
