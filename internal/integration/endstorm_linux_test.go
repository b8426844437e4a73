//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
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

// TestEndStorm starts the same programs, of every kind, from many goroutines, with
// contexts that end at any moment, and wants nothing to be left.
func TestEndStorm(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	specs := map[string]*spawn.Spec{
		"vfork":   {Path: "/bin/true", Attr: attr.List{attr.OOMScoreAdj(500)}},
		"futex":   spawntest.WithActions(&spawn.Spec{Path: "/bin/true"}, func(a *spawn.FileActions) { a.Chdir("/") }),
		"copied":  {Path: "/bin/true", Attr: attr.List{attr.NoHugePages{}}},
		"inherit": spawntest.WithActions(&spawn.Spec{Path: "/bin/true"}, func(a *spawn.FileActions) { a.InheritAll() }),
		"mapped":  {Path: "/bin/true", Attr: attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}}},
		"scored and mapped": {Path: "/bin/true", Attr: attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER},
			attr.IDMap{UID: uid, GID: gid}, attr.OOMScoreAdj(500)}},
		"parent death": {Path: "/bin/true", Attr: attr.List{attr.ParentDeathSignal(unix.SIGTERM)}},
	}
	fifo := testenv.PublicDir(t) + "/fifo"
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, s := range heldSpecs(fifo) {
		if !strings.Contains(name, "map") {
			specs["held: "+name] = s
		}
	}
	rounds := testenv.Rounds(1, 25)
	spawntest.EachEngine(t, func(t *testing.T) {
		var programs []*spawn.Program
		for name, s := range specs {
			p, err := spawn.Compile(s)
			if err != nil {
				t.Fatal(name, err)
			}
			programs = append(programs, p)
		}
		if _, err := programs[0].Start(ended()); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		before := testenv.Settled()
		goroutines := runtime.NumGoroutine()
		var wg sync.WaitGroup
		var ran, cancelled atomic.Int32
		for range 8 {
			wg.Go(func() {
				for range rounds {
					for _, i := range rand.Perm(len(programs)) {
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(rand.IntN(4000))*time.Microsecond)
						state, err := programs[i].Run(ctx)
						cancel()
						switch {
						case errors.Is(err, context.DeadlineExceeded):
							cancelled.Add(1)
						case err != nil || !state.Success():
							t.Error(fmt.Errorf("%v, %w", state, err))
						default:
							ran.Add(1)
						}
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d ran, %d cancelled", ran.Load(), cancelled.Load())
		if cancelled.Load() == 0 {
			t.Error("no start was cancelled, of those that are held either")
		}
		for name, s := range specs {
			if strings.HasPrefix(name, "held: ") {
				continue
			}
			if state, err := spawn.Run(context.Background(), s); err != nil || !state.Success() {
				t.Errorf("%s: %v, %v", name, state, err)
			}
		}
		// The last of the cancelled children may end after the start that it was for.
		testenv.Eventually(t, "descriptors of cancelled starts", func() bool { return len(testenv.FDsSince(before)) == 0 })
		testenv.CheckFDs(t, before)
		testenv.Eventually(t, "few more goroutines than before", func() bool { return runtime.NumGoroutine() <= goroutines+8 })
	})
}

func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
