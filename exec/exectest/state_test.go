package exectest_test

import (
	"errors"
	"runtime"
	"testing"

	"github.com/safespawn/spawn/exec/exectest"
)

// TestExitedCodes wants a state with the code, or an error for a code that no process has.
func TestExitedCodes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // where most codes are those of processes
	}
	for _, code := range []int{0, 1, 255} {
		if s, err := exectest.Exited(7, code); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && s.ExitCode() != code {
			t.Errorf("%d: %v, %v", code, s, err)
		}
	}
	for _, code := range []int{-1, 256, 1 << 20} {
		if s, err := exectest.Exited(7, code); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v, %v", code, s, err)
		}
	}
}
