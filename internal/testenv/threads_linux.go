package testenv

import (
	"os"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// OnThread runs f on a thread of its own that ends with it, so that f may change
// what belongs to a thread. It is not the first thread, which /proc/self is about.
func OnThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			OnThread(f)
			return
		}
		f()
	}()
	<-done
}

// IdleThreads leaves the runtime threads in stock, so that it need not make one
// where none can be made.
func IdleThreads() {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 20_000_000}, nil) })
	}
	wg.Wait()
}

// CountThreads is how many threads this process has.
func CountThreads(t testing.TB) int {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(tasks)
}
