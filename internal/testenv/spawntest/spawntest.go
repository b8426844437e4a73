// Package spawntest starts children by package spawn, for tests: the test binary as a
// helper, scripts, programs that show what they were given, and children that are held
// up on their way. It runs tests once for each fallback of the engine.
package spawntest

import (
	"context"
	"errors"
	"io"
	"os"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// Helper is a Spec that runs a registered helper.
func Helper(t testing.TB, name string, args ...string) *spawn.Spec {
	t.Helper()
	return &spawn.Spec{Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...)}
}

// Start starts a child.
func Start(t testing.TB, s *spawn.Spec) *spawn.Process {
	t.Helper()
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// StartSaying starts a child whose standard output is read, until the test's end.
func StartSaying(t testing.TB, s *spawn.Spec) (p *spawn.Process, out *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	s.Actions.File(w, 1)
	defer w.Close()
	p = Start(t, s)
	t.Cleanup(func() {
		if t.Failed() { // else the test has ended it
			_ = p.Kill()
			_, _ = p.Wait(context.Background())
		}
	})
	return p, r
}

// Output runs a child with a pipe as its standard output and returns what it
// wrote.
func Output(t testing.TB, s *spawn.Spec) string {
	t.Helper()
	out, state, err := TryOutput(s)
	if err != nil {
		t.Fatal(err)
	}
	if !state.Success() {
		t.Fatalf("%v; output %q", state, out)
	}
	return out
}

// TryOutput is Output where the child may fail.
func TryOutput(s *spawn.Spec) (out string, state *spawn.ProcessState, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", nil, err
	}
	defer r.Close()
	c := *s
	c.Actions = spawn.FileActions{}
	c.Actions.File(w, 1)
	c.Actions.Append(&s.Actions)
	p, err := spawn.Start(context.Background(), &c)
	w.Close()
	if err != nil {
		return "", nil, err
	}
	b, rerr := io.ReadAll(r)
	state, err = p.Wait(context.Background())
	return string(b), state, errors.Join(err, rerr)
}

// Succeeds wants a status of 0, else what was printed is why.
func Succeeds(t testing.TB, s *spawn.Spec) {
	t.Helper()
	out, state, err := TryOutput(s)
	if err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, out)
	}
}

// WithActions is s with more file actions.
func WithActions(s *spawn.Spec, add func(a *spawn.FileActions)) *spawn.Spec {
	add(&s.Actions)
	return s
}
