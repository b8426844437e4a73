//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"syscall"

	"github.com/safespawn/spawn/internal/kernel"
)

// tableSize is above all open descriptors of this process: the kernel's own
// size of the table, or else the limit.
func tableSize() int {
	if n, ok := kernel.Number("/proc/self/status", "FDSize"); ok && n > 0 {
		return n
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err == nil && l.Max < 1<<20 {
		return int(l.Max)
	}
	return 1 << 20
}
