//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"maps"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// held is a child that exits with 7 when release is called.
func held(t testing.TB) (p *spawn.Process, release func()) {
	t.Helper()
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	s := spawntest.WithActions(spawntest.Shell("read x; exit 7"), func(a *spawn.FileActions) { a.File(r, 0) })
	p = spawntest.Start(t, s)
	r.Close()
	return p, func() { w.Close() }
}

// isZombie reports whether the child has ended and nobody has reaped it.
func isZombie(pid int) bool {
	var info unix.Siginfo
	return unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil && info.Signo != 0
}

// TestWaitExited has many wait for an end, with contexts and without.
func TestWaitExited(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, release := held(t)
		soon, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if err := p.WaitExited(soon); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		var wg sync.WaitGroup
		ctx, stop := context.WithCancel(context.Background())
		defer stop()
		for i := range 10 {
			wg.Go(func() {
				c := ctx
				if i%2 == 0 {
					c = context.Background()
				}
				if err := p.WaitExited(c); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		release()
		wg.Wait()
		if !isZombie(p.Pid()) {
			t.Error("no zombie")
		}
		if err := p.WaitExited(soon); err != nil { // the end has come, so the context does not matter
			t.Error(err)
		}
		if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
		if err := p.WaitExited(context.Background()); err != nil {
			t.Error(err)
		}
	})
}

// TestWaitExitedWithWait has both wait for the same child.
func TestWaitExitedWithWait(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		p, release := held(t)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() {
				if err := p.WaitExited(context.Background()); err != nil {
					t.Error(err)
				}
			})
			wg.Go(func() {
				if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		time.Sleep(5 * time.Millisecond)
		release()
		wg.Wait()
	})
}

// TestReapedElsewhere lets go of a child that somebody else has reaped.
func TestReapedElsewhere(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		for _, parked := range []bool{false, true} {
			p, release := held(t)
			if parked {
				time.AfterFunc(5*time.Millisecond, release)
			} else {
				release()
				testenv.Eventually(t, "a zombie", func() bool { return isZombie(p.Pid()) })
			}
			if err := p.WaitExited(context.Background()); err != nil {
				t.Error(err)
			}
			var status syscall.WaitStatus
			if _, err := syscall.Wait4(p.Pid(), &status, 0, nil); err != nil || status.ExitStatus() != 7 {
				t.Errorf("%v, %v", status, err)
			}
			if err := errors.Join(p.WaitExited(context.Background()), p.Release()); err != nil {
				t.Error(err)
			}
			if err := spawntest.StolenStatus(p.Wait(context.Background())); err != nil {
				t.Error(err)
			}
			if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
		}
		if after := testenv.OpenFDs(); !maps.Equal(before, after) {
			t.Errorf("open: %v, before: %v", after, before)
		}
	})
}

// TestAbandonedAfterWaitExited wants no zombie of a Process that is garbage.
func TestAbandonedAfterWaitExited(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		pid := func() int {
			p, release := held(t)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			time.AfterFunc(time.Millisecond, release)
			if err := p.WaitExited(ctx); err != nil {
				t.Error(err)
			}
			return p.Pid()
		}()
		testenv.Eventually(t, "no zombie", func() bool {
			runtime.GC()
			return !isZombie(pid)
		})
	})
}

// TestWaitExitedCostsNoThread waits for 200 children at once.
func TestWaitExitedCostsNoThread(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	before := testenv.CountThreads(t)
	var wg sync.WaitGroup
	var ends []func()
	for range 200 {
		p, release := held(t)
		ends = append(ends, release)
		wg.Go(func() {
			err := p.WaitExited(context.Background())
			if state, waited := p.Wait(context.Background()); errors.Join(err, waited) != nil || state.ExitCode() != 7 {
				t.Error(err, waited)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // for all to park
	if n := testenv.CountThreads(t) - before; n >= 40 {
		t.Errorf("%d threads more", n)
	}
	for _, end := range ends {
		end()
	}
	wg.Wait()
}
