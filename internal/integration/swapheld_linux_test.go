//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestSwappedMask sends a signal that is to be ignored to children that are held up
// in a file action.
func TestSwappedMask(t *testing.T) {
	// Without CLONE_CLEAR_SIGHAND the runtime's handlers would run in the child.
	testenv.NeedCall(t, "clone3", unix.SYS_CLONE3)
	s, fifo := spawntest.Held(t)
	s.Attr = attr.List{attr.SigIgnore{unix.SIGUSR1}, attr.Umask(0o123)}
	both, err := swap{a: plan.Signals, b: plan.Mask, spec: s}.both()
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range both {
		result := make(chan string, 1)
		go func() {
			state, err := p.Run(context.Background())
			if err != nil {
				result <- failure(err)
				return
			}
			result <- state.String()
		}()
		var child testenv.Seen
		testenv.Soon(func() bool {
			child = testenv.OnlyChild()
			return child.Status["Umask"] == "0123"
		})
		pid, err := strconv.Atoi(child.PID())
		if err != nil {
			t.Error("no child in its file actions")
		} else if err := unix.Kill(pid, unix.SIGUSR1); err != nil {
			t.Error(err)
		}
		w, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := testenv.Await(t, "the child", result), []string{"exit status 7", "signal: user defined signal 1"}[i]; got != want {
			t.Errorf("%d: %s, want %s", i, got, want)
		}
		w.Close()
	}
}
