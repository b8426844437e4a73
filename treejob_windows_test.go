package spawn_test

import (
	"context"
	"errors"
	"os"
	"strconv"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestTreeJobUsage wants a job to count what has run in it, also after Close.
func TestTreeJobUsage(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{Memory: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := spawntest.Helper(t, "exit", "0")
		s.Attr = attr.List{tree.Attr()}
		if state, err := spawn.Run(t.Context(), s); err != nil || !state.Success() {
			t.Fatalf("%v, %v", state, err)
		}
	}
	u, err := tree.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
	if last, err := tree.Usage(); err != nil || last.User < u.User || last.MemoryPeak < u.MemoryPeak {
		t.Errorf("after Close %+v, %v", last, err)
	}
	if u.User+u.System == 0 || u.MemoryPeak == 0 {
		testenv.Skip(t, "a job counts no CPU time or memory here, as in Wine")
	}
}

// TestTreeJobProcs wants no process more in a job than its limit says.
func TestTreeJobProcs(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{Procs: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	procs, _ := membersOf(t, tree, "deaf")
	s := spawntest.Helper(t, "exit", "0")
	s.Attr = attr.List{tree.Attr()}
	state, err := spawn.Run(context.Background(), s)
	if _, kerr := tree.Kill(); kerr != nil {
		t.Error(kerr)
	}
	if s, err := procs[0].Wait(context.Background()); err != nil || s.Success() {
		t.Errorf("%v, %v", s, err)
	}
	if err == nil && os.Getenv("WINEPREFIX") != "" {
		testenv.Skip(t, "a job of Wine bounds no processes")
	}
	if err == nil {
		t.Errorf("a second process has run: %v", state)
	}
}

// TestTreeJobLarge asks for more memory than a number of 32 bits can hold.
func TestTreeJobLarge(t *testing.T) {
	tree, err := spawn.NewTree(spawn.Limits{Memory: 5 << 30})
	if strconv.IntSize == 32 {
		var e *spawn.TreeLimitError
		if !errors.As(err, &e) || e.File != "memory.max" || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}
