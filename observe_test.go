package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// "exit 5" ends with status 5.
var _ = testenv.RegisterHelper("exit 5", func([]string) int { return 5 })

// events is an Observer that keeps what it is told.
type events struct {
	mu             sync.Mutex
	started, ended []spawn.Event
	onStart, onEnd func(spawn.Event)
}

func (o *events) Started(e spawn.Event) {
	o.mu.Lock()
	o.started = append(o.started, e)
	o.mu.Unlock()
	if o.onStart != nil {
		o.onStart(e)
	}
}

func (o *events) Ended(e spawn.Event) {
	o.mu.Lock()
	o.ended = append(o.ended, e)
	o.mu.Unlock()
	if o.onEnd != nil {
		o.onEnd(e)
	}
}

// only returns the one event of each kind that there is.
func (o *events) only(t *testing.T) (started, ended spawn.Event) {
	t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.started) != 1 || len(o.ended) != 1 {
		t.Fatalf("%d starts, %d ends", len(o.started), len(o.ended))
	}
	return o.started[0], o.ended[0]
}

type observeKey struct{}

func TestObserver(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		o := &events{}
		s := spawntest.Helper(t, "exit 5")
		s.Observer = o
		ctx := context.WithValue(t.Context(), observeKey{}, "mine")
		begin := time.Now()
		state, err := spawn.Run(ctx, s)
		took := time.Since(begin)
		if err != nil {
			t.Fatal(err)
		}
		started, ended := o.only(t)
		if started.Pid != state.Pid() || started.Path != s.Path || started.ID == 0 || started.Err != nil || started.Step != "" || started.State != nil {
			t.Errorf("started: %+v", started)
		}
		if started.Context.Value(observeKey{}) != "mine" || started.Begin.Before(begin) {
			t.Errorf("started: %+v", started)
		}
		if ended.State == nil || ended.State.ExitCode() != 5 || ended.ID != started.ID || ended.Pid != started.Pid || ended.Err != nil {
			t.Errorf("ended: %+v", ended)
		}
		p := started.Phases
		if p.Queue != 0 || p.Prepare < leastTime() || p.Clone < 0 || p.Steps < 0 || p.Execve < leastTime() || p.Total()+ended.Lived > took {
			t.Errorf("%v and %v of %v", p, ended.Lived, took)
		}
	})
}

// leastTime is the least time that anything takes: the clock of Windows is coarse.
func leastTime() time.Duration {
	if runtime.GOOS == "windows" {
		return 0
	}
	return 1
}

// TestObserverFailures has starts that fail at different points.
func TestObserverFailures(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing")
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, c := range []struct {
		what string
		ctx  context.Context
		spec spawn.Spec
		step string
		is   error
	}{
		{"no program", t.Context(), spawn.Spec{Path: missing}, spawn.StepExecve, fs.ErrNotExist},
		{"bad argument", t.Context(), spawn.Spec{Path: missing, Args: []string{"secret\x00"}}, spawn.StepArgs, nil},
		{"context has ended", over, spawn.Spec{Path: missing}, "", context.Canceled},
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			o := &events{}
			c.spec.Observer = o
			_, err := spawn.Start(c.ctx, &c.spec)
			if len(o.started) != 1 || len(o.ended) != 0 {
				t.Fatalf("%s: %v, %v", c.what, o.started, o.ended)
			}
			e := o.started[0]
			if e.Err != err || c.is != nil && !errors.Is(err, c.is) || e.Step != c.step || e.Pid != 0 || e.Phases.Total() < leastTime() {
				t.Errorf("%s: %+v; %v", c.what, e, err)
			}
			if strings.Contains(fmt.Sprintf("%+v", e), "secret") {
				t.Errorf("%s: an argument is in %+v", c.what, e)
			}
		})
	}
}

// TestObserverIsFree has an Observer that starts children and uses what it can get
// hold of, and one that panics.
func TestObserverIsFree(t *testing.T) {
	s := spawntest.Helper(t, "exit 5")
	spawntest.EachEngine(t, func(t *testing.T) {
		inner := func(spawn.Event) {
			if state, err := spawn.Run(t.Context(), s); err != nil || state.ExitCode() != 5 {
				t.Errorf("%v, %v", state, err)
			}
		}
		var p *spawn.Process
		o := &events{onStart: inner, onEnd: func(e spawn.Event) {
			inner(e)
			if err := p.Kill(); err == nil {
				t.Error("Kill after the end")
			}
		}}
		outer := *s
		outer.Observer = o
		var err error
		if p, err = spawn.Start(t.Context(), &outer); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		o.only(t)
	})
}

func TestObserverPanics(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		limiter := spawn.NewLimiter(1)
		o := &events{onEnd: func(spawn.Event) { panic("ended") }}
		s := spawntest.Helper(t, "exit 5")
		s.Observer, s.Limiter = o, limiter
		p, err := spawn.Start(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		func() {
			defer func() {
				if r := recover(); r != "ended" {
					t.Errorf("recovered %v", r)
				}
			}()
			_, _ = p.Wait(context.Background())
		}()
		if state, err := p.Wait(t.Context()); err != nil || state.ExitCode() != 5 {
			t.Errorf("%v, %v", state, err)
		}
		<-p.Done()
		o.only(t)

		o = &events{onStart: func(spawn.Event) { panic("started") }}
		s.Observer = o
		func() {
			defer func() {
				if r := recover(); r != "started" {
					t.Errorf("recovered %v", r)
				}
			}()
			_, _ = spawn.Start(t.Context(), s)
		}()
		testenv.Eventually(t, "the forgotten child is reaped", func() bool {
			runtime.GC()
			o.mu.Lock()
			defer o.mu.Unlock()
			return len(o.ended) == 1
		})
		s.Observer = nil
		if _, err := spawn.Run(t.Context(), s); err != nil { // there is a place
			t.Error(err)
		}
	})
}

// TestNoObserver has pointers that are nil.
func TestNoObserver(t *testing.T) {
	s := spawntest.Helper(t, "exit 5")
	s.Observer = (*spawn.Counters)(nil)
	if _, err := spawn.Run(t.Context(), s); err != nil {
		t.Error(err)
	}
}

func TestCounters(t *testing.T) {
	var c spawn.Counters
	good := spawntest.Helper(t, "exit 5")
	bad := &spawn.Spec{Path: filepath.Join(t.TempDir(), "missing"), Observer: &c}
	good.Observer = &c
	over, cancel := context.WithCancel(t.Context())
	cancel()
	const each = 10
	var all sync.WaitGroup
	for range each {
		all.Go(func() {
			_, _ = spawn.Run(t.Context(), good)
			_, _ = spawn.Run(t.Context(), bad)
			_, _ = spawn.Run(over, good)
		})
	}
	all.Wait()
	p, release := staying(t, t.Context())
	defer release()
	c.Started(spawn.Event{Pid: p.Pid()}) // a live one
	s := c.Stats()
	if s.Latency.Count() != each+1 || s.Latency.Sum <= 0 || s.Latency.Quantile(0.99) <= 0 {
		t.Errorf("latency: %d, %v, %v", s.Latency.Count(), s.Latency.Sum, s.Latency.Quantile(0.99))
	}
	s.Latency = spawn.Histogram{}
	want := spawn.Stats{Started: each + 1, Canceled: each, Failures: map[string]uint64{spawn.StepExecve: each}, Live: 1, Exited: each}
	if !reflect.DeepEqual(s, want) {
		t.Errorf("%+v\nwant\n%+v", s, want)
	}
	release()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestHistogram wants each duration below the bound of its bucket, and not below the
// one before.
func TestHistogram(t *testing.T) {
	var h spawn.Histogram
	for i := 1; i < len(h.Buckets); i++ {
		if h.Bound(i-1) >= h.Bound(i) {
			t.Errorf("bound %d is %v, after %v", i, h.Bound(i), h.Bound(i-1))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		d := time.Duration(random.Int64() >> random.IntN(63))
		var c spawn.Counters
		c.Started(spawn.Event{Phases: spawn.Phases{Execve: d}})
		h := c.Stats().Latency
		bound := h.Quantile(1)
		var below time.Duration
		for i := range h.Buckets {
			if h.Bound(i) == bound && i > 0 {
				below = h.Bound(i - 1)
			}
		}
		if d >= bound || d < below || h.Count() != 1 || h.Sum != d {
			t.Fatalf("%v is between %v and %v", d, below, bound)
		}
	}
}
