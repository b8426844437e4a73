//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/kernel"
)

// LoweredFDs is what file actions become.
type LoweredFDs = fdtable.Lowered

// LowerFDs is fdtable.LowerForTest.
func LowerFDs(a FileActions, files []int, reopen func(fd int) bool, tty, slot int, closeRange, sharedMemory bool) (*LoweredFDs, error) {
	feat := kernel.Features{CloseRange: closeRange, SharedMemory: sharedMemory}
	l, err := fdtable.LowerForTest(a.list, files, reopen, tty, slot, feat)
	if err != nil {
		return nil, wrap("", err)
	}
	return l, nil
}
