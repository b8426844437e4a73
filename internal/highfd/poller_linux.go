package highfd

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// poller says whether SettlePoller has succeeded.
var poller struct {
	settled atomic.Bool
	sync.Mutex
}

// SettlePoller has the runtime open what it polls with, if it hasn't yet, at numbers
// from Least on: the process would die when somebody put a file of theirs at one
// below. For the moment that it takes other files are there.
//
// It returns false where there may be no room for that. The process would die at its
// first timer then.
func SettlePoller() bool {
	if poller.settled.Load() {
		return true
	}
	poller.Lock()
	defer poller.Unlock()
	if !poller.settled.Load() {
		poller.settled.Store(settlePoller())
	}
	return poller.settled.Load()
}

// Pollable reports whether the runtime's poller has a file.
func Pollable(f *os.File) bool { return f.SetDeadline(time.Time{}) == nil }

// NewFile makes a file of a descriptor that doesn't block, so that a goroutine can wait for it
// in the poller. Where the poller can't have it, it blocks, and a thread waits.
func NewFile(fd int, name string) *os.File {
	f := os.NewFile(uintptr(fd), name)
	for tries := 3; tries > 0 && !Pollable(f) && unix.SetNonblock(fd, false) != nil; {
		tries--
	}
	return f
}

// pollerFiles is how many descriptors the runtime's poller takes.
const pollerFiles = 2

func settlePoller() bool {
	own, err := Open("/", unix.O_PATH, 0)
	if err != nil {
		return false
	}
	defer unix.Close(own)
	if !hasRoom(own, pollerFiles) {
		return false
	}
	for {
		n, err := DupFrom(own, 0)
		if err != nil {
			break
		}
		if n >= Least {
			unix.Close(n)
			break
		}
		defer func() {
			if Same(own, n) {
				unix.Close(n)
			}
		}()
	}
	time.AfterFunc(time.Hour, func() {}).Stop() // timers need the poller
	return true
}

// hasRoom reports whether so many descriptors can be made of one.
func hasRoom(fd, room int) bool {
	for range room {
		n, err := DupFrom(fd, Least)
		if err != nil {
			return false
		}
		defer unix.Close(n)
	}
	return true
}
