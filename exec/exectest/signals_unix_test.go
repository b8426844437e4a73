//go:build unix

package exectest_test

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec/exectest"
)

// TestHarmless wants signals that end no program to end none.
func TestHarmless(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGWINCH} {
		if s, err := exectest.Signaled(7, sig); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v, %v", sig, s, err)
		}
	}
	c, f := command(t, anyArgs().After(time.Hour).Trap(syscall.SIGSTOP, 3).Trap(syscall.SIGKILL, 4))
	run, err := f.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(run.Signal(syscall.SIGSTOP), run.Signal(syscall.SIGKILL)); err != nil {
		t.Error(err)
	}
	state, err := run.Wait()
	if w, ok := stateOf(state); err != nil || ok && w.Signal() != syscall.SIGKILL {
		t.Errorf("%v, %v", state, err)
	}
}
