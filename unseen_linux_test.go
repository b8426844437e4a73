//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/plan"
)

// countPidfds counts the pidfds of this process.
func countPidfds() (n int) {
	links, _ := filepath.Glob("/proc/self/fd/*")
	for _, l := range links {
		if target, _ := os.Readlink(l); strings.Contains(target, "[pidfd]") {
			n++
		}
	}
	return n
}

// TestUnseen waits for children that are started without a pidfd, as those of
// exec.Cmd.Run are.
func TestUnseen(t *testing.T) {
	ctx := plan.Unseen{Context: context.Background()}
	unseen := func(t *testing.T, s *spawn.Spec) *spawn.Process {
		before := countPidfds()
		p, err := spawn.Start(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		if n := countPidfds() - before; n != 0 {
			t.Errorf("%d pidfds more", n)
		}
		return p
	}
	eachEngine(t, func(t *testing.T) {
		state, err := unseen(t, exits(t, 7)).Wait(ctx)
		if err != nil || state.ExitCode() != 7 {
			t.Errorf("at once: %v, %v", state, err)
		}

		state, err = unseen(t, shell("sleep 0.05; exit 8")).Wait(ctx)
		if err != nil || state.ExitCode() != 8 {
			t.Errorf("later: %v, %v", state, err)
		}

		p := unseen(t, shell("sleep 0.05; exit 9"))
		if err := p.WaitExited(ctx); err != nil {
			t.Error(err)
		}
		var ws unix.WaitStatus
		if _, err := unix.Wait4(p.Pid(), &ws, 0, nil); err != nil || ws.ExitStatus() != 9 {
			t.Errorf("exited: %v, %v", ws.ExitStatus(), err)
		}
		p.Disown()

		p = unseen(t, exits(t, 7))
		if _, err := unix.Wait4(p.Pid(), nil, 0, nil); err != nil {
			t.Fatal(err)
		}
		if state, err = p.Wait(ctx); state != nil || !errors.Is(err, spawn.ErrStatusTaken) {
			t.Errorf("stolen: %v, %v", state, err)
		}

		if _, err = spawn.Start(ctx, &spawn.Spec{Path: "/missing"}); !errors.Is(err, unix.ENOENT) {
			t.Errorf("missing: %v", err)
		}
	})
}

// TestUnseenCostsNoThread parks many waiters.
func TestUnseenCostsNoThread(t *testing.T) {
	if !spawn.Features().Has("pidfd") {
		skip(t, "no pidfds")
	}
	ctx := plan.Unseen{Context: context.Background()}
	const children = 200
	before := countThreads(t)
	var wg sync.WaitGroup
	for range children {
		p, err := spawn.Start(ctx, shell("sleep 0.3"))
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
	if n := countThreads(t) - before; n >= 40 {
		t.Errorf("%d threads more for %d children", n, children)
	}
	wg.Wait()
}

// TestUnseenAndReused has the pid of a child be by now that of a process which is
// none, or of nobody.
func TestUnseenAndReused(t *testing.T) {
	gone := start(t, exits(t, 0))
	if _, err := gone.Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, pid := range []int{os.Getppid(), gone.Pid()} {
		if fd := spawn.OpenLate(pid); fd != -1 {
			t.Errorf("process %d: descriptor %d", pid, fd)
		}
	}
	if n := countPidfds(); n != 0 {
		t.Errorf("%d pidfds left", n)
	}
	child, end := liveChild(t)
	defer end()
	fd := spawn.OpenLate(child.Pid())
	if spawn.Features().Has("pidfd") != (fd >= 0) {
		t.Errorf("descriptor %d", fd)
	}
	unix.Close(fd)
}
