//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"context"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// spawnedLock guards what becomes of a child by Spawned: its proc and shared.
var spawnedLock sync.Mutex

// reapOwn reports whether it is known how the child has ended, which it reaps if need be.
func (c *child) reapOwn() bool {
	if c.known() || !c.isShared() && c.reapAlone() {
		return true
	}
	if !c.isShared() {
		return false
	}
	// Whoever has proc must not signal by the pid meanwhile.
	state, _ := c.proc.Wait(context.Background()) // which finds what can be found
	if state == nil {
		return false
	}
	c.own.Learn(state.Sys().(syscall.WaitStatus), state.Rusage())
	return true
}

// reapAlone is reapOwn as long as nobody shares the child.
func (c *child) reapAlone() bool {
	_ = c.process.WithHandle(func(h uintptr) { // else somebody has waited by way of process
		fd := int(h)
		if _, errno := c.own.Ask(fd); errno != unix.ECHILD || !kernel.Current().PidfdInfo {
			return
		}
		if status, ok := raw.PidfdExit(fd, kernel.PublishTime); ok {
			c.own.Learn(status, nil)
		}
	})
	return c.known()
}

// known reports whether it is known how the child has ended.
func (c *child) known() bool {
	_, ok := c.own.Known()
	return ok
}

// keep has the handle closed when nobody waits for the child, and the child reaped if it
// may be.
func (c *child) keep(noReap bool) {
	switch {
	case c.own == nil:
	case noReap || c.traced || c.given:
		c.own.Keep(kernel.IsPidfd, nil)
	default:
		c.own.Keep(kernel.IsPidfd, reapOrphan)
	}
}

// reapOrphan reaps a child in the background.
func reapOrphan(pid, pidfd int, claim raw.Claim) {
	_ = handover.Orphan(nil, pid, pidfd, claim).Release()
}

// release lets go of the child, after it has been reaped.
func (c *child) release(state *os.ProcessState) {
	if !c.isShared() {
		return
	}
	if state == nil {
		handover.Settle(c.proc, 0, nil, spawn.ErrStatusTaken)
		return
	}
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || status.Stopped() {
		return // of a child that is traced
	}
	usage, _ := state.SysUsage().(*syscall.Rusage)
	if c.own != nil && c.own.Exit().PID == 0 { // package os has waited
		c.own.Learn(status, usage)
	}
	handover.Settle(c.proc, status, usage, nil)
}

// isShared reports whether there is a Process that is to be told of the end.
func (c *child) isShared() bool {
	spawnedLock.Lock()
	defer spawnedLock.Unlock()
	return c.shared
}

// share has proc have the handle of process, too.
func (c *child) share() {
	if !c.shared {
		c.shared = true
		c.own.Share() // before proc signals by the pid
		handover.Share(c.proc, c.own)
	}
}

// spawned is Spawned.
func (c *child) spawned() *spawn.Process {
	spawnedLock.Lock()
	defer spawnedLock.Unlock()
	switch {
	case c.own != nil:
		c.share()
	case c.proc == nil:
		c.proc, c.shared = c.another(), true
	}
	return c.proc
}

// another makes a Process of a child that package os has made.
func (c *child) another() *spawn.Process {
	fd := -1
	_ = c.process.WithHandle(func(h uintptr) { // else it has ended
		if n, err := highfd.Dup(int(h)); err == nil {
			fd = n
		}
	})
	p := handover.Orphan(c.started, c.process.Pid, fd, raw.ClaimPidfd(fd))
	handover.Leave(p)
	if fd < 0 {
		handover.Disown(p)
	}
	return p
}
