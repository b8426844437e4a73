//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec_test

import (
	"errors"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestNoPTY wants to be told that no terminal can be made.
func TestNoPTY(t *testing.T) {
	c := exec.Cmd{Path: testenv.Self(t), PTY: &exec.PTY{}}
	if err := c.Start(); !errors.Is(err, errors.ErrUnsupported) || c.Terminal() != nil {
		t.Error(err)
	}
}
