//go:build (amd64 || arm64) && !android && !spawn_forkexec && !spawn_nolinkname

package spawn_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
)

// TestCancelSuspended wants the context to end a start that takes long.
func TestCancelSuspended(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		s, _ := heldSpec(t)
		s.Attr = attr.List{attr.StartSuspended{}}
		cancelHeld(t, s)
	})
}

// TestSignalsBeforeSuspension sends signals to a child that is on its way to
// execve. One would stop it if it were traced and not blocked.
func TestSignalsBeforeSuspension(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		s, fifo := heldSpec(t)
		s.Attr = attr.List{attr.StartSuspended{}}
		result := startHeld(context.Background(), s)
		pid := 0
		for deadline := time.Now().Add(patience); pid == 0 && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			pid, _ = strconv.Atoi(onlyChild().pid())
		}
		for _, sig := range []unix.Signal{unix.SIGCONT, unix.SIGCHLD, unix.SIGWINCH, unix.SIGCONT} {
			if err := unix.Kill(pid, sig); err != nil {
				t.Error(err)
			}
		}
		w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		r := await(t, "the start", result)
		if r.err != nil {
			t.Fatal(r.err)
		}
		checkSuspended(t, r.p)
		resume(t, r.p, 7)
	})
}
