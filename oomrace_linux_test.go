//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// TestOOMScoreAdjAmongOthers starts children while others change ids, which clears
// the dumpable flag of the memory that all of them share: their files in /proc are
// root's then. The parent is not root, but may change ids.
func TestOOMScoreAdjAmongOthers(t *testing.T) {
	s := helper(t, "others change ids")
	needRoot(t)
	s.Attr = attr.List{attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID}}
	runByNobody(t, s)
	succeeds(t, s)
}

var _ = registerHelper("others change ids", func([]string) int {
	if err := othersChangeIDs(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

func othersChangeIDs() error {
	others, err := spawn.Compile(shell(":", attr.Credential{UID: 1, GID: 1}))
	if err != nil {
		return err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if p, err := others.Start(context.Background()); err == nil {
					_, _ = p.Wait(context.Background())
				}
			}
		})
	}
	defer wg.Wait()
	defer close(done)
	for range 100 {
		if _, err := spawn.Run(context.Background(), shell(":", attr.OOMScoreAdj(1000))); err != nil {
			return err
		}
	}
	return nil
}
