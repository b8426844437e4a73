//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !spawn_nolinkname

package raw

import (
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// A child that is stuck before execve holds up neither the collector nor other
// goroutines.
func TestCollectorRunsWhileChildIsStuck(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	releaser := helperCommand(t, "openFIFO", fifo)
	in, err := releaser.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := releaser.Start(); err != nil {
		t.Fatal(err)
	}

	var p program
	p.call(Openat, Int(unix.AT_FDCWD), p.String(fifo), Int(unix.O_RDONLY), Int(0))
	p.exit(3)
	r := NewRun(p.Build())
	var returned atomic.Bool
	done := make(chan result)
	go func() {
		res, err := finish(r, Clone{Flags: vfork, Legacy: true, ErrFD: -1})
		if err != nil {
			t.Error(err)
		}
		returned.Store(true)
		done <- res
	}()
	waitUntilStuck(t, r)

	for range 3 { // forever, if the child holds them up
		runtime.GC()
		otherGoroutinesRun()
	}
	if returned.Load() {
		t.Error("the child was released before the collector was done")
	}
	// The child has a copy of the pipe's end, so closing it here would not do.
	if _, err := in.Write([]byte{0}); err != nil {
		t.Error(err)
	}
	if got := <-done; !got.exited(3) {
		t.Errorf("%+v", got)
	}
	if err := releaser.Wait(); err != nil {
		t.Error(err)
	}
	r.Free()
}

// waitUntilStuck waits for the child to sleep in open(2).
func waitUntilStuck(t *testing.T, r *Run) {
	t.Helper()
	testenv.Eventually(t, "the child gets stuck", func() bool {
		tid := atomic.LoadInt32(&r.tid)
		return tid > 0 && testenv.StateOf(int(tid)) == 'S'
	})
}

func otherGoroutinesRun() {
	c := make(chan int)
	for i := range 20 {
		go func() { c <- i }()
	}
	for range 20 {
		<-c
	}
}
