//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
)

// HasStolen reports whether a status that somebody else took can be found.
func HasStolen() bool { return spawn.Features().Has("pidfd") && spawn.Features().Has("pidfd_info") }

// Thieves are threads that reap all children of this process, until stop.
func Thieves(n int) (stop func()) {
	done := make(chan struct{})
	var thieves sync.WaitGroup
	for range n {
		thieves.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil) // whatever there is
				}
			}
		})
	}
	return func() {
		close(done)
		thieves.Wait()
	}
}

// StolenStatus says what is wrong with the result of Wait for a child that
// exited with 7.
func StolenStatus(state *spawn.ProcessState, err error) error {
	if !HasStolen() {
		if state != nil || !errors.Is(err, spawn.ErrStatusTaken) {
			return fmt.Errorf("%v, %v; want ErrStatusTaken", state, err)
		}
		return nil
	}
	if err != nil || state.ExitCode() != 7 {
		return fmt.Errorf("%v, %w; want 7", state, err)
	}
	if state.Rusage() != nil || state.UserTime() != 0 || state.SystemTime() != 0 || state.MaxRSS() != 0 {
		return errors.New("resource usage out of nowhere")
	}
	return nil
}
