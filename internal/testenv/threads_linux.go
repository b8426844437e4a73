package testenv

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

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
// where none can be made: one for each processor, and some for system calls.
func IdleThreads() {
	n := 16 + runtime.GOMAXPROCS(0)
	var locked, ended sync.WaitGroup
	locked.Add(n)
	for range n {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			locked.Done()
			locked.Wait() // until each has a thread
		})
	}
	ended.Wait()
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

// AwaitExec waits until execve of a program is over: Start returns when the old memory
// is gone, and the kernel closes what is close-on-exec, and sets the name, a little
// later.
func AwaitExec(pid int, name string) (err error) {
	for end := time.Now().Add(Patience); time.Now().Before(end); runtime.Gosched() {
		var comm []byte
		if comm, err = os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil {
			return err
		}
		if strings.TrimSpace(string(comm)) == name {
			return nil
		}
	}
	return fmt.Errorf("process %d does not run %s", pid, name)
}
