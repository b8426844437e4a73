package spawn_test

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestLimiter wants no more live children than there are places, and all starts to
// succeed.
func TestLimiter(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		const places, each = 3, 12
		s := spawntest.Helper(t, "exit 5")
		var c spawn.Counters
		var most atomic.Int64
		s.Limiter = spawn.NewLimiter(places)
		s.Observer = &events{
			onStart: func(e spawn.Event) {
				c.Started(e)
				for n := c.Stats().Live; ; {
					if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
						break
					}
				}
			},
			onEnd: func(e spawn.Event) { c.Ended(e) },
		}
		program, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		for range each {
			all.Go(func() {
				if state, err := program.Run(t.Context()); err != nil || state.ExitCode() != 5 {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		all.Wait()
		// A place is given back before the Observer is told of the end.
		if most.Load() > 2*places {
			t.Errorf("%d children at once", most.Load())
		}
		if n := c.Stats().Exited; n != each {
			t.Errorf("%d have ended", n)
		}
	})
}

var takesPlace = testenv.RegisterHelper("takes a place", func([]string) int {
	var b [1]byte
	os.Stdout.WriteString("+")
	os.Stdin.Read(b[:])
	os.Stdout.WriteString("-")
	return 5
})

// TestLimiterBound has children tell when they live, until each gets a byte. They are never
// more than there are places.
func TestLimiterBound(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		const places, starts = 3, 10
		in, inW := pipe(t)
		out, outW := pipe(t)
		s := spawntest.WithActions(spawntest.Helper(t, takesPlace), func(a *spawn.FileActions) {
			a.File(in, 0)
			a.File(outW, 1)
		})
		s.Limiter = spawn.NewLimiter(places)
		var all sync.WaitGroup
		for range starts {
			all.Go(func() {
				if state, err := spawn.Run(t.Context(), s); err != nil || state.ExitCode() != 5 {
					t.Errorf("%v, %v", state, err)
				}
			})
		}
		live, b := 0, make([]byte, 1)
		for said := range 2 * starts {
			if said >= places && said < places+starts { // all places are taken
				if _, err := inW.Write(b); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := io.ReadFull(out, b); err != nil {
				t.Fatal(err)
			}
			if live += map[byte]int{'+': 1, '-': -1}[b[0]]; live < 0 || live > places {
				t.Errorf("%d children at once, after %d changes", live, said+1)
			}
		}
		all.Wait()
	})
}

// pipe is one that is closed at the end of the test.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.Close()
		w.Close()
	})
	return r, w
}

// TestLimiterWaits wants a start to wait for a place, or for its context.
func TestLimiterWaits(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		l := spawn.NewLimiter(1)
		s := spawntest.Helper(t, "exit 5")
		s.Limiter = l
		first, err := spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		o := &events{}
		s.Observer = o
		ctx, cancel := context.WithCancel(t.Context())
		waits := make(chan error)
		go func() {
			_, err := spawn.Start(ctx, s)
			waits <- err
		}()
		select {
		case err := <-waits:
			t.Fatalf("there was a place: %v", err)
		default:
		}
		cancel()
		if err := testenv.Await(t, "start", waits); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if len(o.started) != 1 || !errors.Is(o.started[0].Err, context.Canceled) || o.started[0].Step != "" {
			t.Errorf("%+v", o.started)
		}
		if _, err := first.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := spawn.Run(t.Context(), s); err != nil {
			t.Error(err)
		}
	})
}

// TestLimitStarts has more live children than places for starts, and starts that fail.
func TestLimitStarts(t *testing.T) {
	s := spawntest.Helper(t, "exit 5")
	s.Limiter = spawn.NewLimiter(1, spawn.LimitStarts())
	bad := &spawn.Spec{Path: s.Path + ".missing", Limiter: s.Limiter}
	var list []*spawn.Process
	for range 5 {
		if _, err := spawn.Start(t.Context(), bad); err == nil {
			t.Error("started")
		}
		p, err := spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	for _, p := range list {
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestLimiterGivesBack has children that nobody waits for, and starts that fail.
func TestLimiterGivesBack(t *testing.T) {
	s := spawntest.Helper(t, "exit 5")
	s.Limiter = spawn.NewLimiter(1)
	bad := &spawn.Spec{Path: s.Path + ".missing", Limiter: s.Limiter}
	for range 3 {
		if _, err := spawn.Start(t.Context(), bad); err == nil {
			t.Error("started")
		}
		p, err := spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Release(); err != nil {
			t.Error(err)
		}
	}
	if _, err := spawn.Run(t.Context(), s); err != nil {
		t.Error(err)
	}
}

// TestZeroLimiter has no bound.
func TestZeroLimiter(t *testing.T) {
	s := spawntest.Helper(t, "exit 5")
	s.Limiter = new(spawn.Limiter)
	for range 2 {
		if state, err := spawn.Run(t.Context(), s); err != nil || state.ExitCode() != 5 {
			t.Errorf("%v, %v", state, err)
		}
	}
}

func TestNoPlaces(t *testing.T) {
	for _, n := range []int{0, -1} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("NewLimiter(%d) does not panic", n)
				}
			}()
			spawn.NewLimiter(n)
		}()
	}
}
