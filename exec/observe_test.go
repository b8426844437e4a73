package exec_test

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap/zapcore"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// "exit 5" ends with status 5.
var _ = testenv.RegisterHelper("exit 5", func([]string) int { return 5 })

// events is an Observer that keeps what it is told.
type events struct {
	mu             sync.Mutex
	started, ended []spawn.Event
	count          spawn.Counters
}

func (o *events) Started(e spawn.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count.Started(e)
	o.started = append(o.started, e)
}

func (o *events) Ended(e spawn.Event) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.count.Ended(e)
	o.ended = append(o.ended, e)
}

// TestObserver wants an Observer to be told of each start and each end, with the places
// of a Limiter given back.
func TestObserver(t *testing.T) {
	o := &events{}
	limiter := spawn.NewLimiter(1)
	command := func(tree bool) *exec.Cmd {
		c := exec.Command(testenv.Self(t))
		c.Args = testenv.HelperArgs("exit 5")
		c.Observer, c.Limiter = o, limiter
		c.Tree = tree && runtime.GOOS == "linux"
		return c
	}
	for i, run := range []func(*exec.Cmd) error{
		func(c *exec.Cmd) error { return c.Run() },
		func(c *exec.Cmd) error {
			if err := c.Start(); err != nil {
				return err
			}
			if len(o.started) != 2 {
				t.Errorf("%d starts when Start returns", len(o.started))
			}
			return c.Wait()
		},
		func(c *exec.Cmd) error { _, err := c.Output(); return err },
		func(c *exec.Cmd) error { return skipUnsupported(c.Run()) },
	} {
		c := command(i == 3)
		err := run(c)
		if c.Process == nil {
			continue // no trees here
		}
		var failed *exec.ExitError
		if !errors.As(err, &failed) || failed.ExitCode() != 5 {
			t.Fatalf("%d: %v", i, err)
		}
		started, ended := o.started[len(o.started)-1], o.ended[len(o.ended)-1]
		if started.Pid != c.Process.Pid || started.Path != c.Path || started.Err != nil || started.Phases.Execve <= 0 || started.Context == nil {
			t.Errorf("%d: started: %+v", i, started)
		}
		if ended.ID != started.ID || ended.State == nil || ended.State.ExitCode() != 5 || ended.State.Pid() != c.Process.Pid || ended.Err != nil || ended.Lived <= 0 {
			t.Errorf("%d: ended: %+v", i, ended)
		}
	}
	if s := o.count.Stats(); s.Live != 0 || s.Exited != s.Started || s.Started < 3 {
		t.Errorf("%+v", s)
	}
}

func skipUnsupported(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}

// TestObserverFailures has starts that fail.
func TestObserverFailures(t *testing.T) {
	o := &events{}
	over, cancel := context.WithCancel(t.Context())
	full := spawn.NewLimiter(1)
	holder := exec.CommandContext(t.Context(), testenv.Self(t))
	holder.Args, holder.Limiter = testenv.HelperArgs("exit 5"), full
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	missing := exec.Command(testenv.Self(t) + ".missing")
	waits := exec.CommandContext(over, testenv.Self(t))
	waits.Limiter = full
	missing.Observer, waits.Observer = o, o
	if err := missing.Start(); err == nil {
		t.Error("started")
	}
	done := make(chan error)
	go func() { done <- waits.Run() }()
	cancel()
	if err := testenv.Await(t, "Run", done); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	for i, step := range []string{spawn.StepExecve, ""} {
		if i >= len(o.started) {
			continue // the context ended first
		}
		if e := o.started[i]; e.Step != step || e.Err == nil || e.Pid != 0 {
			t.Errorf("%+v", e)
		}
	}
	if len(o.ended) != 0 {
		t.Errorf("%+v", o.ended)
	}
	_ = holder.Wait() // status 5
	again := exec.Command(testenv.Self(t))
	again.Args, again.Limiter = testenv.HelperArgs("exit 5"), full
	_ = again.Run() // there is a place
}

// TestObserverPanics wants a process to be waited for, with all that goes with it, when
// the Observer panics.
func TestObserverPanics(t *testing.T) {
	for _, when := range []string{"started", "ended"} {
		c := exec.CommandContext(t.Context(), testenv.Self(t))
		var out strings.Builder
		c.Args, c.Stdout, c.Observer = testenv.HelperArgs("exit 5"), &out, panics(when)
		c.Limiter = spawn.NewLimiter(1)
		recovered := func(f func() error) (r any) {
			defer func() { r = recover() }()
			_ = f()
			return nil
		}
		if r := recovered(c.Start); (r != nil) != (when == "started") {
			t.Errorf("%s: Start panics with %v", when, r)
		}
		if r := recovered(c.Wait); (r != nil) != (when == "ended") {
			t.Errorf("%s: Wait panics with %v", when, r)
		}
		if c.ProcessState == nil || c.ProcessState.ExitCode() != 5 {
			t.Errorf("%s: %v", when, c.ProcessState)
		}
		again := exec.Command(testenv.Self(t))
		again.Args, again.Limiter = testenv.HelperArgs("exit 5"), c.Limiter
		_ = again.Run() // there is a place
	}
}

// TestObserverPipeline wants the values of each Cmd's own context, which another one ends.
func TestObserverPipeline(t *testing.T) {
	type key struct{}
	o := &events{}
	with := func(value string) *exec.Cmd {
		c := exec.CommandContext(context.WithValue(context.Background(), key{}, value), testenv.Self(t))
		c.Args, c.Observer = testenv.HelperArgs("stay"), o
		return c
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	p := exec.PipeContext(ctx, with("first"), with("second"))
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for i, want := range []string{"first", "second"} {
		if got := o.started[i].Context.Value(key{}); got != want {
			t.Errorf("program %d has %v", i, got)
		}
	}
}

// panics is an Observer that does so at the start or at the end.
type panics string

func (p panics) Started(spawn.Event) {
	if p == "started" {
		panic(p)
	}
}

func (p panics) Ended(spawn.Event) {
	if p == "ended" {
		panic(p)
	}
}

// TestObserverPanicsBehind wants the caller to panic, and nobody else, where others wait for
// the process.
func TestObserverPanicsBehind(t *testing.T) {
	bad := func() *exec.Cmd {
		c := exec.Command(testenv.Self(t))
		c.Args, c.Observer = testenv.HelperArgs("exit 5"), panics("ended")
		return c
	}
	good := func() *exec.Cmd {
		return &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("exit 5")}
	}
	alone := func(f func(c *exec.Cmd) error) func() (wait func() error, err error) {
		return func() (func() error, error) {
			c := bad()
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			return c.Wait, caught(func() error { return f(c) })
		}
	}
	piped := func(f func(p *exec.Pipeline) error, cmds ...*exec.Cmd) func() (wait func() error, err error) {
		return func() (func() error, error) {
			p := exec.Pipe(cmds...)
			p.Tree = true
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			err := caught(func() error { return f(p) })
			if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("not over: %v", err)
			}
			return p.Wait, err
		}
	}
	for name, f := range map[string]func() (wait func() error, err error){
		"Done":        alone(func(c *exec.Cmd) error { <-c.Done(); return c.Wait() }),
		"WaitContext": alone(func(c *exec.Cmd) error { return c.WaitContext(t.Context()) }),
		"Shutdown":    alone(func(c *exec.Cmd) error { return c.Shutdown(t.Context()) }),
		"first":       piped((*exec.Pipeline).Wait, bad(), good()),
		"last":        piped((*exec.Pipeline).Wait, good(), bad()),
		"both":        piped(func(p *exec.Pipeline) error { return p.Shutdown(t.Context()) }, bad(), bad()),
	} {
		t.Run(name, func(t *testing.T) {
			wait, err := f()
			if err != errPanics {
				t.Errorf("no panic: %v", err)
			}
			var exit *exec.ExitError
			if err := wait(); !errors.As(err, &exit) {
				t.Errorf("Wait again: %v", err)
			}
		})
	}
}

var errPanics = errors.New("the Observer panics")

// caught is the error of f, or errPanics.
func caught(f func() error) (err error) {
	defer func() {
		if recover() == panics("ended") {
			err = errPanics
		}
	}()
	return f()
}

// TestObserverOnce wants an Observer to be told once, and a place to be given back once,
// whatever is called twice.
func TestObserverOnce(t *testing.T) {
	o := &events{}
	limiter := spawn.NewLimiter(1)
	c := exec.Command(testenv.Self(t))
	c.Args = testenv.HelperArgs("exit 5")
	c.Observer, c.Limiter = o, limiter
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.Start() == nil || c.Run() == nil {
		t.Error("started again")
	}
	if len(o.started) != 1 {
		t.Errorf("told of %d starts", len(o.started))
	}
	c.Observer, c.Limiter = nil, nil // too late
	if _, err := c.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if c.Wait() == nil {
			t.Error("it was reaped by other code")
		}
	}
	if len(o.ended) != 1 {
		t.Errorf("told of %d ends", len(o.ended))
	}
}

// TestLoggerIsFree has a Logger that kills what has ended.
func TestLoggerIsFree(t *testing.T) {
	for _, tree := range []bool{false, true} {
		c := exec.Command(testenv.Self(t))
		c.Args = testenv.HelperArgs("exit 5")
		c.Tree = tree
		c.Logger = onEnd(func() {
			if err := c.Kill(); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("%v", err)
			}
		})
		done := make(chan error)
		go func() { done <- c.Run() }()
		var failed *exec.ExitError
		if err := testenv.Await(t, "Run", done); skipUnsupported(err) != nil && !errors.As(err, &failed) {
			t.Error(err)
		}
	}
}

// onEnd is a Logger that calls a function when a process has ended.
type onEnd func()

func (f onEnd) Check(_ zapcore.Level, message string) *zapcore.CheckedEntry {
	if message == "exited" {
		f()
	}
	return nil
}
