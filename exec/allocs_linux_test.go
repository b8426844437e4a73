//go:build (amd64 || arm64) && !android && !spawn_forkexec && !race

package exec_test

import (
	"runtime/debug"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// TestAllocations bounds those of Run, of which os.Process has six. The test is
// not for the slow path of a child that runs longer than Wait looks.
func TestAllocations(t *testing.T) {
	got := testing.AllocsPerRun(200, func() {
		if err := exec.Command("/bin/true").Run(); err != nil {
			t.Error(err)
		}
	})
	t.Log(got)
	if got > maxAllocs && !unoptimised() {
		t.Errorf("%v allocations, at most %d are promised", got, maxAllocs)
	}
}

const maxAllocs = 20

// unoptimised reports whether the compiler was told to let more escape.
func unoptimised() bool {
	info, _ := debug.ReadBuildInfo()
	for _, s := range info.Settings {
		if s.Key == "-gcflags" && strings.Contains(s.Value, "-N") {
			return true
		}
	}
	return false
}
