//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os"

	"github.com/safespawn/spawn/internal/engine"
)

// DisregardOOM has starts not look at what the OOM killer may do.
func DisregardOOM() (restore func()) { return engine.AssumeOOMForTest(false, false) }

// AssumeOOM has starts expect the worst of each cgroup, or that it limits memory.
func AssumeOOM(limited, group bool) (restore func()) { return engine.AssumeOOMForTest(limited, group) }

// RisksOf is what a start finds out about a cgroup.
func RisksOf(dir *os.File) (limited, group bool) { return engine.RisksForTest(dir) }
