//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/handover"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestUnseen waits for children that nobody else knows of, as those of
// exec.Cmd.Run.
func TestUnseen(t *testing.T) {
	ctx := context.Background()
	unseen := func(t *testing.T, s *spawn.Spec) *spawn.Process {
		p, err := handover.Start(ctx, s, new(handover.Option))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		state, err := unseen(t, spawntest.Exits(t, 7)).Wait(ctx)
		if err != nil || state.ExitCode() != 7 {
			t.Errorf("at once: %v, %v", state, err)
		}

		state, err = unseen(t, spawntest.Shell("sleep 0.05; exit 8")).Wait(ctx)
		if err != nil || state.ExitCode() != 8 {
			t.Errorf("later: %v, %v", state, err)
		}

		p := unseen(t, spawntest.Shell("sleep 0.05; exit 9"))
		if err := p.WaitExited(ctx); err != nil {
			t.Error(err)
		}
		var ws unix.WaitStatus
		if _, err := unix.Wait4(p.Pid(), &ws, 0, nil); err != nil || ws.ExitStatus() != 9 {
			t.Errorf("exited: %v, %v", ws.ExitStatus(), err)
		}
		handover.Disown(p)

		p = unseen(t, spawntest.Exits(t, 7))
		if _, err := unix.Wait4(p.Pid(), nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		if err := spawntest.StolenStatus(p.Wait(ctx)); err != nil {
			t.Errorf("stolen: %v", err)
		}

		if _, err = handover.Start(ctx, &spawn.Spec{Path: "/missing"}, new(handover.Option)); !errors.Is(err, unix.ENOENT) {
			t.Errorf("missing: %v", err)
		}
		testenv.CheckFDs(t, before)
	})
}

// TestUnseenCostsNoThread parks many waiters.
func TestUnseenCostsNoThread(t *testing.T) {
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	ctx := context.Background()
	const children = 200
	before := testenv.CountThreads(t)
	var wg sync.WaitGroup
	for range children {
		p, err := handover.Start(ctx, spawntest.Shell("sleep 0.3"), new(handover.Option))
		if err != nil {
			t.Error(err)
			break
		}
		wg.Go(func() {
			if state, err := p.Wait(ctx); err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond) // for all to park
	if n := testenv.CountThreads(t) - before; n >= 40 {
		t.Errorf("%d threads more for %d children", n, children)
	}
	wg.Wait()
}

// TestUnseenAndReused has somebody else reap a child, and its pid be that of
// another one by the time of Wait, or while Wait is waiting.
func TestUnseenAndReused(t *testing.T) {
	testenv.NeedRoot(t)
	if !spawn.Features().Has(spawn.FeaturePidfd) {
		testenv.Skip(t, "no pidfds")
	}
	ctx := context.Background()
	for _, waiting := range []bool{false, true} {
		for tries := 0; ; tries++ {
			if tries == 50 {
				testenv.Skip(t, "pids are taken too fast")
			}
			p, err := handover.Start(ctx, spawntest.Exits(t, 7), new(handover.Option))
			if err != nil {
				t.Fatal(err)
			}
			defer handover.Disown(p) // also where the pid is not used again; nobody else sees to it
			if _, err := unix.Wait4(p.Pid(), nil, 0, nil); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("/proc/sys/kernel/ns_last_pid", []byte(strconv.Itoa(p.Pid()-1)), 0); err != nil {
				testenv.Skip(t, "no pid can be chosen: "+err.Error())
			}
			other, end := spawntest.LiveChild(t)
			if other.Pid() == p.Pid() {
				if !waiting {
					_ = other.Kill()
					if err := other.WaitExited(ctx); err != nil {
						t.Error(err)
					}
				}
				if err := spawntest.StolenStatus(p.Wait(ctx)); err != nil {
					t.Error(err)
				}
				tries = -1
			}
			end()
			state, err := other.Wait(ctx)
			if err != nil || state.Success() != waiting && tries < 0 {
				t.Errorf("the other: %v, %v", state, err)
			}
			if tries < 0 {
				break
			}
		}
	}
}

var _ = testenv.RegisterHelper("stolen at low numbers", func(args []string) int {
	report, err := loseStreams()
	if err == nil {
		err = stolenAtLowNumbers(args[0])
	}
	if err != nil {
		fmt.Fprintln(report, err)
		return 1
	}
	return 0
})

// stolenAtLowNumbers starts children whose statuses others take, before their pidfd, which
// the kernel puts at 0, can be looked at.
func stolenAtLowNumbers(path string) error {
	ctx := context.Background()
	if _, err := spawn.Run(ctx, &spawn.Spec{Path: path}); err != nil {
		return err
	}
	defer spawntest.Thieves(2)()
	for i := range testenv.Rounds(300, 10_000) {
		p, err := spawn.Start(ctx, &spawn.Spec{Path: path})
		if err != nil {
			return err
		}
		state, err := p.Wait(ctx)
		stolen := errors.Is(err, spawn.ErrStatusTaken) && !spawntest.HasStolen()
		if !stolen && (err != nil || state.ExitCode() != 7) {
			return fmt.Errorf("child %d: %v, %w", i, state, err)
		}
	}
	return nil
}

// TestStolenAtLowNumbers: no status is lost where a child has ended, and was waited for,
// before its pidfd has its place.
func TestStolenAtLowNumbers(t *testing.T) {
	spawntest.Succeeds(t, spawntest.Helper(t, "stolen at low numbers", spawntest.Exits(t, 7).Path))
}
