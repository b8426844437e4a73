package spawn_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestTreeClosed wants nothing to be started in a closed tree, and what was to be ended.
func TestTreeClosed(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		mark := marked()
		tree := newTree(t, spawn.Limits{})
		startIn(t, tree, mark+" & wait")
		testenv.Eventually(t, "it runs", func() bool { return countMarked(mark) == 1 })
		program, err := spawn.Compile(inTree(tree, "exit 0"))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := tree.Close(); err != nil || countMarked(mark) != 0 {
				t.Errorf("%v, %d are alive", err, countMarked(mark))
			}
		}
		_, err = program.Start(t.Context())
		var e *spawn.Error
		if !errors.Is(err, os.ErrClosed) || !errors.As(err, &e) || e.Step != spawn.StepTree || e.Index != 0 || e.Part != spawn.PartAttr {
			t.Errorf("got %v", err)
		}
		if tree.Holds().By == spawn.HeldByCgroup {
			if u, err := tree.Usage(); err != nil || u.User+u.System == 0 {
				t.Errorf("got %+v, %v", u, err)
			}
		} else if _, err := tree.Usage(); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("nobody has counted: got %v", err)
		}
	})
}

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

// TestTreeUsageOfClosed wants Usage to say the same before Close and afterwards.
func TestTreeUsageOfClosed(t *testing.T) {
	eachTree(t, func(t *testing.T) {
		tree := newTree(t, spawn.Limits{})
		_, before := tree.Usage()
		if err := tree.Close(); err != nil {
			t.Error(err)
		}
		if _, err := tree.Usage(); (err == nil) != (before == nil) {
			t.Errorf("%v, before %v", err, before)
		}
	})
}
