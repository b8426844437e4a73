//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestPhases wants the child to tell of its phases, on all ways to make it but a copy
// of the memory.
func TestPhases(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)
	for _, list := range []attr.List{{attr.Umask(0)}, {attr.Chroot("/")}} {
		o := &events{}
		s := &spawn.Spec{Path: path, Attr: list, Observer: o}
		s.Actions.Open(0, "/dev/null", 0, 0)
		if _, err := spawn.Run(t.Context(), s); err != nil {
			testenv.Skip(t, err.Error())
		}
		if p := o.started[0].Phases; p.Clone <= 0 || p.Steps <= 0 || p.Execve <= 0 || p.Prepare <= 0 {
			t.Errorf("%v: %+v", list, p)
		}
	}
}

// TestObserverAllocations wants Counters to cost the few allocations of the events, and
// no Observer and no Limiter to cost no allocation and no system call of the child.
func TestObserverAllocations(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)
	count := func(o spawn.Observer, l *spawn.Limiter) (run float64, steps int) {
		p, err := spawn.Compile(&spawn.Spec{Path: path, Observer: o, Limiter: l})
		if err != nil {
			t.Fatal(err)
		}
		return testenv.Allocations(func() {
			if _, err := p.Run(t.Context()); err != nil {
				t.Error(err)
			}
		}), len(p.Steps())
	}
	none, steps := count(nil, nil)
	typed, same := count((*spawn.Counters)(nil), nil)
	if testenv.Optimised() && typed > none || same != steps {
		t.Errorf("a nil Observer: %v allocations and %d steps, without %v and %d", typed, same, none, steps)
	}
	counted, clocks := count(&spawn.Counters{}, nil)
	if testenv.Optimised() && counted > none+4 || clocks != steps+2 {
		t.Errorf("Counters: %v allocations and %d steps, without %v and %d", counted, clocks, none, steps)
	}
	limited, same := count(nil, spawn.NewLimiter(1))
	if testenv.Optimised() && limited > none+4 || same != steps {
		t.Errorf("a Limiter: %v allocations and %d steps, without %v and %d", limited, same, none, steps)
	}
}

// TestSignalTellsNobody has an Observer that waits for a lock which somebody holds who
// sends signals: only those who wait for the child may be held up.
func TestSignalTellsNobody(t *testing.T) {
	defer spawntest.Force("pidfd")()
	var mu sync.Mutex
	s := spawntest.Exits(t, 0)
	s.Attr = attr.List{attr.Setpgid{}}
	s.Observer = &events{onEnd: func(spawn.Event) {
		mu.Lock()
		defer mu.Unlock()
	}}
	for range 100 {
		p := spawntest.Start(t, s)
		done := p.Done()
		signalled := make(chan struct{})
		go func() {
			defer close(signalled)
			mu.Lock()
			defer mu.Unlock()
			for p.Signal(syscall.Signal(0)) == nil || p.SignalTree(syscall.Signal(0)) == nil {
				runtime.Gosched()
			}
		}()
		testenv.Await(t, "Signal", signalled)
		<-done
	}
}
