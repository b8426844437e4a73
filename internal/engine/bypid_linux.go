//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"sync"

	"github.com/safespawn/spawn/internal/kernel"
)

// pidOnly are the children that have no pidfd though the kernel has pidfds: there was no
// number for it, or other code has closed it. Who reaps orphans must leave them alone.
var pidOnly struct {
	sync.Mutex
	pids map[int]bool
}

// KnownByPid reports whether a child that nobody has reaped is known by its pid alone.
func KnownByPid(pid int) bool {
	pidOnly.Lock()
	defer pidOnly.Unlock()
	return pidOnly.pids[pid]
}

// noteByPid notes a child that nobody has reaped.
func noteByPid(pid int) {
	if !kernel.Current().Pidfd {
		return // nobody asks
	}
	pidOnly.Lock()
	defer pidOnly.Unlock()
	if pidOnly.pids == nil {
		pidOnly.pids = map[int]bool{}
	}
	pidOnly.pids[pid] = true
}

// forgetByPid forgets a child that is known by its pid.
func forgetByPid(pid int) {
	pidOnly.Lock()
	defer pidOnly.Unlock()
	delete(pidOnly.pids, pid)
}
