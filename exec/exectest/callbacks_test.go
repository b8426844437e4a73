package exectest_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestCallbacks has a script whose functions use the script.
func TestCallbacks(t *testing.T) {
	var f *exectest.Fake
	calls := 0
	f = exectest.Script(
		exectest.On("inner").Times(1),
		exectest.OnFunc(func(c *exec.Cmd) bool {
			calls = len(f.Calls())
			return c.Path == "outer" && exec.CommandContext(f.Context(t.Context()), "inner").Run() == nil
		}),
	).Strict(t)
	if err := exec.CommandContext(f.Context(t.Context()), "outer").Run(); err != nil || calls != 1 {
		t.Errorf("%v, after %d calls", err, calls)
	}
	f.AssertRan(t, []string{"outer"}, []string{"inner"})
}

// reader is a testing.TB that looks at a script when something fails.
type reader struct {
	*spy
	f *exectest.Fake
}

func (r *reader) Errorf(format string, args ...interface{}) {
	r.f.Calls()
	r.spy.Errorf(format, args...)
}

// TestFailureLooks has a failure look at the script.
func TestFailureLooks(t *testing.T) {
	tb := &reader{&spy{TB: t}, exectest.Script(exectest.On("a"))}
	ctx := tb.f.Strict(tb).Context(t.Context())
	if err := exec.CommandContext(ctx, "b").Run(); !errors.Is(err, exectest.ErrUnexpected) {
		t.Errorf("got %v", err)
	}
	if tb.cleanup[0](); len(tb.errors) != 2 {
		t.Errorf("got %q", tb.errors)
	}
}

// TestEditRuns has an Edit that runs a command that is recorded.
func TestEditRuns(t *testing.T) {
	file := t.TempDir() + "/record"
	rec := exectest.Record(file)
	say := func() error {
		c := exec.CommandContext(rec.Context(t.Context()), testenv.Self(t))
		c.Args = testenv.HelperArgs("say", "a", "", "")
		return c.Run()
	}
	edited := 0
	rec.Edit = func(*exectest.Entry) {
		edited++
		if err := say(); err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(say(), rec.Save()); err != nil || edited != 1 {
		t.Errorf("%v, %d edited", err, edited)
	}
	if _, err := exectest.Replay(file); err != nil {
		t.Error(err)
	}
}

// TestManyAtOnce starts commands of one script, and of one recording, in several goroutines.
func TestManyAtOnce(t *testing.T) {
	const n = 8
	file := t.TempDir() + "/record"
	rec := exectest.Record(file)
	all := func(start func() *exec.Cmd) {
		t.Helper()
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if out, err := start().Output(); string(out) != "a" || err != nil {
					t.Errorf("%q, %v", out, err)
				}
			})
		}
		wg.Wait()
	}
	all(func() *exec.Cmd {
		c := exec.CommandContext(rec.Context(t.Context()), testenv.Self(t))
		c.Args = testenv.HelperArgs("say", "a", "", "")
		return c
	})
	if err := rec.Save(); err != nil {
		t.Fatal(err)
	}
	again, err := exectest.Replay(file)
	if err != nil {
		t.Fatal(err)
	}
	args := testenv.HelperArgs("say", "a", "", "")
	script := exectest.Script(exectest.On(args[0], args[1:]...).Out("a").Times(n))
	for _, f := range []*exectest.Fake{again, script} {
		f.Strict(t)
		all(func() *exec.Cmd { return exec.CommandContext(f.Context(t.Context()), args[0], args[1:]...) })
		if got := len(f.Calls()); got != n {
			t.Errorf("%d calls", got)
		}
	}
}

// ends is a runner, and what it has started, whose Wait ends the goroutine.
type ends struct{ nothing bool }

func (e ends) Start(context.Context, *exec.Cmd) (exec.Running, error) {
	if e.nothing {
		return nil, nil
	}
	return e, nil
}

func (ends) Process() *os.Process   { return nil }
func (ends) Signal(os.Signal) error { return nil }

func (ends) Wait() (*os.ProcessState, error) {
	runtime.Goexit()
	return nil, nil
}

// TestGoexit has programs whose goroutines end, as by FailNow, and a runner without a program.
func TestGoexit(t *testing.T) {
	f := exectest.Script(exectest.OnAny("a").Do(func(*exectest.Run) int { runtime.Goexit(); return 0 }))
	for _, ctx := range []context.Context{
		f.Context(t.Context()), exec.WithRunner(t.Context(), ends{}), exec.WithRunner(t.Context(), ends{nothing: true}),
	} {
		if err := exec.CommandContext(ctx, "a").Run(); err == nil {
			t.Error("no error")
		}
	}
}
