package spawn_test

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// reader is a child that exits with 7 when end is called.
func reader(t *testing.T) (p *spawn.Process, end func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "read x; exit 7"}}
	s.Actions.File(r, 0)
	if p, err = spawn.Start(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.Close()
		_, _ = p.Wait(context.Background()) // the test may have waited, or released it
	})
	return p, func() { w.Close() }
}

// needEvents skips a test where there are no pidfds in the fallback.
func needEvents(t *testing.T, p *spawn.Process) {
	t.Helper()
	for _, err := range p.Events(endedContext()) {
		if errors.Is(err, errors.ErrUnsupported) {
			testenv.Skip(t, err.Error())
		}
	}
}

func endedContext() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// TestEvents stops a child, lets it go on, and has it end, each after the event before.
func TestEvents(t *testing.T) {
	p, end := reader(t)
	needEvents(t, p)
	next := []func() error{
		func() error { return p.Signal(syscall.SIGCONT) },
		func() error { return p.Signal(syscall.SIGSTOP) },
		func() error { return p.Signal(syscall.SIGCONT) },
		func() error { end(); return nil },
		func() error { return nil },
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	var kinds []spawn.ProcessEventKind
	var signals []syscall.Signal
	for e, err := range p.Events(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		kinds, signals = append(kinds, e.Kind), append(signals, e.Signal)
		if (e.State != nil) != (e.Kind == spawn.ProcessEnded) || e.State != nil && e.State.ExitCode() != 7 {
			t.Errorf("%v: %v", e.Kind, e.State)
		}
		if len(kinds) > len(next) {
			break
		}
		if err := next[len(kinds)-1](); err != nil {
			t.Error(err)
		}
	}
	stopped, continued, ended := spawn.ProcessStopped, spawn.ProcessContinued, spawn.ProcessEnded
	if !slices.Equal(kinds, []spawn.ProcessEventKind{stopped, continued, stopped, continued, ended}) {
		t.Errorf("%v", kinds)
	}
	if want := []syscall.Signal{syscall.SIGSTOP, 0, syscall.SIGSTOP, 0, 0}; spawn.Features().Has(spawn.FeatureEngine) && !slices.Equal(signals, want) {
		t.Errorf("%v", signals)
	}
	for e, err := range p.Events(t.Context()) { // once more
		if err != nil || e.Kind != ended || e.State.ExitCode() != 7 {
			t.Errorf("%v, %v", e, err)
		}
	}
}

// TestEventsUntilContextEnds leaves the child alone when the context ends, or the loop
// is left.
func TestEventsUntilContextEnds(t *testing.T) {
	p, end := reader(t)
	needEvents(t, p)
	n := 0
	for e, err := range p.Events(endedContext()) {
		if n++; !errors.Is(err, context.Canceled) {
			t.Errorf("%v, %v", e, err)
		}
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		t.Error(err)
	}
	for e, err := range p.Events(t.Context()) {
		if err != nil || e.Kind != spawn.ProcessStopped {
			t.Errorf("%v, %v", e, err)
		}
		break
	}
	if err := p.Signal(syscall.SIGCONT); err != nil {
		t.Error(err)
	}
	end()
	if state, err := p.Wait(t.Context()); n != 1 || err != nil || state.ExitCode() != 7 {
		t.Errorf("%d, %v, %v", n, state, err)
	}
}

// TestEventsOfMany has many children stop and go on at once, beside somebody else who
// listens to SIGCHLD.
func TestEventsOfMany(t *testing.T) {
	theirs := make(chan os.Signal, 1)
	signal.Notify(theirs, syscall.SIGCHLD)
	defer signal.Stop(theirs)
	var wg sync.WaitGroup
	for range 20 {
		p, end := reader(t)
		needEvents(t, p)
		wg.Go(func() {
			defer end()
			if err := p.Signal(syscall.SIGSTOP); err != nil {
				t.Error(err)
			}
			for e, err := range p.Events(context.Background()) {
				switch {
				case err != nil:
					t.Error(err)
				case e.Kind == spawn.ProcessStopped:
					err = p.Signal(syscall.SIGCONT)
				case e.Kind == spawn.ProcessContinued:
					end()
				case e.State.ExitCode() != 7:
					t.Error(e.State)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	<-theirs
}
