//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestLastingThreadsBusy holds up more children than there are threads for. An init for
// DieWithParent is made all the same.
func TestLastingThreadsBusy(t *testing.T) {
	endsNamespace(t)
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	s := spawntest.WithActions(spawntest.Shell(":", attr.ParentDeathSignal(unix.SIGKILL)), func(a *spawn.FileActions) { a.Open(0, fifo, os.O_RDONLY, 0) })
	hasInit := spawn.Features().Has(spawn.FeatureDieWithParent) && (os.Geteuid() != 0 || spawntest.CanMake(unix.CLONE_NEWPID))
	before := testenv.CountThreads(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel() // also where the test ends early: nothing else lets those children go on
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if _, err := spawn.Start(ctx, s); !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond)
	if n := testenv.CountThreads(t) - before; n > 20 {
		t.Errorf("%d threads more", n)
	}
	if hasInit { // else the child needs one of the threads
		dies := make(chan error, 1)
		go func() {
			_, err := spawn.Run(context.Background(), spawntest.Shell(":", attr.DieWithParent{}))
			dies <- err
		}()
		if err := testenv.Await(t, "a child with DieWithParent", dies); err != nil {
			t.Error(err)
		}
	}
	cancel()
	wg.Wait()
	spawntest.Output(t, spawntest.Shell(":", attr.ParentDeathSignal(unix.SIGKILL)))
}
