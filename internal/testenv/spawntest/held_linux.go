//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// Held is a child that waits for a writer of a FIFO before execve.
func Held(t testing.TB) (s *spawn.Spec, fifo string) {
	t.Helper()
	dir := t.TempDir()
	fifo = filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s = &spawn.Spec{Path: testenv.Program(t, filepath.Join(dir, "program"), 7)}
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	return s, fifo
}

// Started is what came of StartHeld.
type Started struct {
	Process *spawn.Process
	Err     error
}

// StartHeld starts a child that can't get as far as execve.
func StartHeld(ctx context.Context, s *spawn.Spec) <-chan Started {
	result := make(chan Started, 1)
	go func() {
		p, err := spawn.Start(ctx, s)
		result <- Started{p, err}
	}()
	time.Sleep(10 * time.Millisecond)
	return result
}

// runtimeWorks runs goroutines on all processors and collects garbage.
func runtimeWorks(t testing.TB) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 3 {
			runtime.GC()
		}
		var wg sync.WaitGroup
		for range 4 * runtime.GOMAXPROCS(0) {
			wg.Go(runtime.Gosched)
		}
		wg.Wait()
	}()
	testenv.Await(t, "garbage collection", done)
}

// CancelHeld holds children before execve, more than there are processors, and
// wants the process to go on meanwhile and the starts to end with the context.
func CancelHeld(t *testing.T, s *spawn.Spec) {
	t.Helper()
	before := testenv.Settled()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	results := make([]<-chan Started, 2*runtime.GOMAXPROCS(0)+1)
	for i := range results {
		results[i] = StartHeld(ctx, s)
	}
	begin := time.Now()
	runtimeWorks(t)
	t.Logf("the runtime took %v", time.Since(begin))
	for _, result := range results {
		select {
		case r := <-result:
			t.Errorf("a start returned early: %+v", r)
			return
		default:
		}
	}
	cancel()
	for _, result := range results {
		if r := testenv.Await(t, "start", result); r.Process != nil || !errors.Is(r.Err, context.Canceled) {
			t.Errorf("got %+v", r)
		}
	}
	testenv.CheckFDs(t, before)
}

// HeldOpening is a child of this process that waits for the other end of a FIFO, 0
// if there is none after a long time.
func HeldOpening() (pid int) {
	here := unix.AT_FDCWD
	opens := fmt.Sprintf("%d %#x ", unix.SYS_OPENAT, uintptr(here))
	testenv.Soon(func() bool {
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			pids, _ := os.ReadFile(list)
			for child := range strings.FieldsSeq(string(pids)) {
				if call, _ := os.ReadFile("/proc/" + child + "/syscall"); strings.HasPrefix(string(call), opens) {
					pid, _ = strconv.Atoi(child)
					return true
				}
			}
		}
		return false
	})
	return pid
}

// HoldChild starts a child that waits in its file actions for what letGo does.
func HoldChild(t *testing.T, start func(s *spawn.Spec) <-chan Started, list attr.List) (pid int, letGo func()) {
	t.Helper()
	fifo := filepath.Join(testenv.PublicDir(t), "fifo")
	if err := unix.Mkfifo(fifo, 0); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	s := Shell(":", list...)
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	result := start(s)
	pid = HeldOpening()
	return pid, func() {
		if pid == 0 {
			t.Error("the child does not open its file")
		}
		w, err := os.OpenFile(fifo, os.O_RDWR|unix.O_NONBLOCK, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		r := testenv.Await(t, "start", result)
		if r.Err != nil {
			t.Errorf("%v: %v", list, r.Err)
			return
		}
		w.Close()
		if _, err := r.Process.Wait(context.Background()); err != nil {
			t.Error(err)
		}
	}
}
