package spawn_test

import (
	"context"
	"sync"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestTreeCloseAtOnce closes trees in which children are started meanwhile: each of them
// is ended, or is not made.
func TestTreeCloseAtOnce(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		for range testenv.Rounds(4, 2000) {
			testCloseAtOnce(t)
		}
	})
}

func testCloseAtOnce(t *testing.T) {
	mark := marked()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var over sync.WaitGroup
	children := make([][]*spawn.Process, 4)
	begun := make(chan bool, len(children))
	for i := range children {
		over.Go(func() {
			for n := 0; ; n++ {
				p, err := spawn.Start(context.Background(), inTree(tree, "exec "+mark))
				if n == 0 {
					begun <- true
				}
				if err != nil {
					return
				}
				children[i] = append(children[i], p)
			}
		})
	}
	<-begun
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	over.Wait()
	if tree.Holds().By != spawn.HeldByCgroup { // a child that was on its way is killed, and not awaited
		testenv.Eventually(t, "all are ended", func() bool { return countMarked(mark) == 0 })
	} else if n := countMarked(mark); n != 0 {
		t.Errorf("%d are alive in a closed tree", n)
	}
	for _, list := range children {
		for _, p := range list {
			_ = p.Kill() // it is dead, but for a fault
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
}
