//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func TestCancelAtFIFO(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s, _ := spawntest.Held(t)
		spawntest.CancelHeld(t, s)
	})
}

func TestCancelInFrozenCgroup(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		dir, _ := testenv.NewCgroup(t)
		freeze := filepath.Join(dir.Name(), "cgroup.freeze")
		if err := os.WriteFile(freeze, []byte("1"), 0); err != nil {
			testenv.Skip(t, "no cgroup.freeze: "+err.Error())
		}
		s := &spawn.Spec{
			Path: testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0),
			Attr: attr.List{attr.Cgroup{Dir: dir}},
		}
		spawntest.CancelHeld(t, s)

		// And once thawed, Start goes on.
		result := spawntest.StartHeld(context.Background(), s)
		if err := os.WriteFile(freeze, []byte("0"), 0); err != nil {
			t.Fatal(err)
		}
		r := testenv.Await(t, "start in a thawed cgroup", result)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if state, err := r.Process.Wait(context.Background()); err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

func TestDeadlineAtFIFO(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s, _ := spawntest.Held(t)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		state, err := spawn.Run(ctx, s)
		if state != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestReleasedInTime has a context that could have ended Start, and ends later.
func TestReleasedInTime(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s, fifo := spawntest.Held(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := spawntest.StartHeld(ctx, s)
		w, err := testenv.OpenWriter(fifo)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		r := testenv.Await(t, "start", result)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		if state, err := r.Process.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestEndAfterStart wants a context that ends after Start to do nothing.
func TestEndAfterStart(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		var fds [2]int
		if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
		defer r.Close()
		s := spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.File(r, 0) })
		s.Args = s.Args[:1]
		ctx, cancel := context.WithCancel(context.Background())
		p, err := spawn.Start(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		time.Sleep(5 * time.Millisecond)
		w.Close()
		if state, err := p.Wait(context.Background()); err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestEndedContext must not start anything: the program would make a file.
func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	made := filepath.Join(t.TempDir(), "made")
	s := spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.Open(5, made, os.O_CREATE, 0o600) })
	if p, err := spawn.Start(ctx, s); p != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", p, err)
	}
	if state, err := spawn.Run(ctx, s); state != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", state, err)
	}
	if _, err := os.Stat(made); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a child ran: %v", err)
	}
}

// TestCancelStorm ends contexts at any moment of many concurrent starts.
func TestCancelStorm(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		held, _ := spawntest.Held(t)
		quick := &spawn.Spec{Path: held.Path}
		before := testenv.Settled()
		var wg sync.WaitGroup
		var cancelled, ran atomic.Int32
		for range 8 {
			wg.Go(func() {
				for i := range 25 {
					s := []*spawn.Spec{held, quick, quick, quick}[i%4]
					ended, err := startShortly(s, time.Duration(rand.IntN(400))*time.Microsecond)
					if err != nil {
						t.Error(err)
					}
					if ended {
						cancelled.Add(1)
					} else {
						ran.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if cancelled.Load() == 0 {
			t.Error("no start was cancelled")
		}
		t.Logf("%d cancelled, %d ran", cancelled.Load(), ran.Load())
		testenv.CheckFDs(t, before)
	})
}

// startShortly starts within a time; ended says that the time was too short.
func startShortly(s *spawn.Spec, d time.Duration) (ended bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	p, err := spawn.Start(ctx, s)
	if errors.Is(err, context.DeadlineExceeded) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	state, err := p.Wait(context.Background())
	if err == nil && state.ExitCode() != 7 {
		err = fmt.Errorf("the child ran, and then: %v", state)
	}
	return false, err
}

// TestHeldWithOtherIDs keeps the dumpable flag cleared for as long as a child
// with other ids shares this process's memory.
func TestHeldWithOtherIDs(t *testing.T) {
	quick := credentialSpec(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		if testenv.Dumpable(t) != 1 {
			testenv.Skip(t, "this process is not dumpable")
		}
		fifo := filepath.Join(testenv.PublicDir(t), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(fifo, testenv.Nobody, testenv.Nobody); err != nil {
			t.Fatal(err)
		}
		held := *quick
		held.Actions = spawn.FileActions{}
		held.Actions.Open(0, fifo, os.O_RDONLY, 0)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := spawntest.StartHeld(ctx, &held)
		shared := spawntest.LendsMemory()
		testenv.Eventually(t, "the child has changed its ids", func() bool { return !shared || testenv.Dumpable(t) != 1 })
		for range 3 {
			if state, err := spawn.Run(context.Background(), quick); err != nil || state.ExitCode() != 7 {
				t.Errorf("%v, %v", state, err)
			}
			if d := testenv.Dumpable(t); shared && d == 1 {
				t.Error("dumpable again while a child shares the memory")
			}
		}
		cancel()
		testenv.Await(t, "start", result)
		if d := testenv.Dumpable(t); d != 1 {
			t.Errorf("dumpable is %d", d)
		}
	})
}
