//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/safespawn/spawn/internal/raw"
)

// maxShortWaits bounds how many goroutines look for the end of a child in a loop
// at the same time, and shortWaitTime for how long each does. A child that lives
// for microseconds is over by then; the way through the poller takes longer than
// such a child lives, because the kernel wakes a poller on an idle processor.
const (
	maxShortWaits = 16
	shortWaitTime = 100 * time.Microsecond
)

var shortWaits atomic.Int32

// ShortWait calls look for a short time, until it returns true, if there is a place for
// it. Otherwise it calls look once, when other goroutines have had their turns: with so
// many on their way the child is mostly over by then, and parking costs eight system
// calls.
func ShortWait(look func() bool) {
	defer shortWaits.Add(-1)
	if shortWaits.Add(1) <= maxShortWaits {
		raw.Spin(shortWaitTime, look)
		return
	}
	runtime.Gosched()
	look()
}
