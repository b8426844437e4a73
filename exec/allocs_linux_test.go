//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"path/filepath"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestAllocations bounds those of Run, of which os.Process has six. The test is
// not for the slow path of a child that runs longer than Wait looks.
func TestAllocations(t *testing.T) {
	spawntest.NeedBest(t)
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)
	got := testenv.Allocations(func() {
		if err := exec.Command(path).Run(); err != nil {
			t.Error(err)
		}
	})
	t.Log(got)
	if got > maxAllocs && testenv.Optimised() {
		t.Errorf("%v allocations, at most %d are promised", got, maxAllocs)
	}
}

const maxAllocs = 20
