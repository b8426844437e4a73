//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"sync"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/engine"
)

// TestShortWaitWithoutPlace wants a child to be looked at once, before anybody parks,
// when many others look for theirs in a loop.
func TestShortWaitWithoutPlace(t *testing.T) {
	var wg sync.WaitGroup
	held, release := make(chan struct{}), make(chan struct{})
	defer wg.Wait()
	defer close(release)
	for range 100 {
		wg.Go(func() {
			engine.ShortWait(func() bool {
				select {
				case held <- struct{}{}:
				case <-release:
					return true
				}
				<-release
				return true
			})
		})
	}
	// Those without a place look as well, so all come here.
	for range 100 {
		<-held
	}
	looks := 0
	engine.ShortWait(func() bool {
		looks++
		time.Sleep(time.Millisecond)
		return false
	})
	if looks != 1 {
		t.Errorf("%d looks", looks)
	}
}
