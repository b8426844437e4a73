package exectest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestChangedFiles tests real code, as a user does.
func TestChangedFiles(t *testing.T) {
	for _, c := range []struct {
		rule *exectest.Rule
		want []string
		is   error
	}{
		{exectest.On("git", "diff", "--name-only").Out("a\nb\n"), []string{"a", "b"}, nil},
		{exectest.On("git", "diff", "--name-only").NotFound(), nil, exec.ErrNotFound},
		{exectest.On("git", "diff", "--name-only").FailStep(spawn.StepClone, syscall.EAGAIN), nil, syscall.EAGAIN},
	} {
		git := exectest.Script(c.rule).Strict(t)
		got, err := changedFiles(git.Context(t.Context()))
		if !slices.Equal(got, c.want) || !errors.Is(err, c.is) {
			t.Errorf("got %q, %v", got, err)
		}
		git.AssertRan(t, []string{"git", "diff", "--name-only"})
	}
}

// command is a Cmd that a script with one rule runs.
func command(t *testing.T, r *exectest.Rule, args ...string) (*exec.Cmd, *exectest.Fake) {
	f := exectest.Script(r)
	return exec.CommandContext(f.Context(t.Context()), "no-such-program", args...), f
}

func anyArgs() *exectest.Rule { return exectest.OnAny("no-such-program") }

// TestStatus wants the errors of real programs.
func TestStatus(t *testing.T) {
	c, f := command(t, anyArgs().Exit(7).Err("bad"))
	_, err := c.Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 7 || exit.Error() != "exit status 7" || string(exit.Stderr) != "bad" {
		t.Fatalf("got %v", err)
	}
	if c.ProcessState != exit.ProcessState || c.ProcessState.Pid() != c.Process.Pid || c.ProcessState.Exited() != true {
		t.Errorf("got %v", c.ProcessState)
	}
	if exit.UserTime() != 0 || exit.SystemTime() != 0 || exit.SysUsage() == nil {
		t.Error("it has used something")
	}
	if calls := f.Calls(); len(calls) != 1 || calls[0].State != c.ProcessState || calls[0].Err != nil {
		t.Errorf("got %v", calls)
	}
	for range 2 {
		if err := c.Wait(); !errors.As(err, &exit) {
			t.Errorf("Wait again: %v", err)
		}
	}
	if err := c.Process.Kill(); err == nil {
		t.Error("there is a process")
	}
	if err := c.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
	c, _ = command(t, anyArgs())
	if err := c.Run(); err != nil || !c.ProcessState.Success() {
		t.Errorf("got %v", err)
	}
	if err := c.Run(); err == nil {
		t.Error("ran twice")
	}
}

// TestStreams has each kind of stream.
func TestStreams(t *testing.T) {
	c, f := command(t, anyArgs().ReadStdin().Out("a").Err("b").Out("c"))
	c.Stdin = strings.NewReader("input")
	if out, err := c.CombinedOutput(); string(out) != "abc" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if in := f.Calls()[0].Stdin; string(in) != "input" {
		t.Errorf("got %q", in)
	}

	c, f = command(t, anyArgs().ReadStdin().Out("out").Err("diag"))
	in, err1 := c.StdinPipe()
	out, err2 := c.StdoutPipe()
	diag, err3 := c.StderrPipe()
	if err := errors.Join(err1, err2, err3, c.Start()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "piped"); err != nil {
		t.Error(err)
	}
	in.Close()
	b, err1 := io.ReadAll(out)
	d, err2 := io.ReadAll(diag)
	if err := errors.Join(err1, err2, c.Wait()); string(b)+string(d) != "outdiag" || err != nil {
		t.Errorf("%q, %q, %v", b, d, err)
	}
	if in := f.Calls()[0].Stdin; string(in) != "piped" {
		t.Errorf("got %q", in)
	}

	c, _ = command(t, anyArgs().Do(func(r *exectest.Run) int {
		n, _ := io.Copy(r.Stdout, r.Stdin)
		return int(n)
	}))
	c.Stdin = strings.NewReader("four")
	var exit *exec.ExitError
	if out, err := c.Output(); string(out) != "four" || !errors.As(err, &exit) || exit.ExitCode() != 4 {
		t.Errorf("%q, %v", out, err)
	}

	c, _ = command(t, anyArgs().Out("text"))
	c.Stdout = failing{}
	if err := c.Run(); !errors.Is(err, io.ErrShortBuffer) {
		t.Errorf("got %v", err)
	}
	c, _ = command(t, anyArgs().Out(strings.Repeat("x", 100)))
	c.MaxOutput = 10
	if out, err := c.Output(); len(out) != 10 || !errors.Is(err, exec.ErrMaxOutput) {
		t.Errorf("%q, %v", out, err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortBuffer }

// TestContextEnds ends programs that would take an hour.
func TestContextEnds(t *testing.T) {
	for name, r := range map[string]*exectest.Rule{
		"delay": anyArgs().After(time.Hour),
		"do":    anyArgs().Do(func(r *exectest.Run) int { <-r.Done; return 0 }),
	} {
		for how, change := range map[string]func(c *exec.Cmd){
			"kill":     func(*exec.Cmd) {},
			"Process":  func(c *exec.Cmd) { c.Cancel = func() error { return c.Process.Kill() } },
			"Stop":     func(c *exec.Cmd) { c.Stop = spawn.Graceful(time.Hour) },
			"Tree":     func(c *exec.Cmd) { c.Tree = true },
			"Observer": func(c *exec.Cmd) { c.Observer, c.Limiter = &observer{}, spawn.NewLimiter(1) },
		} {
			t.Run(name+"/"+how, func(t *testing.T) {
				ctx, cancel := context.WithCancel(exectest.Script(r).Context(t.Context()))
				c := exec.CommandContext(ctx, "no-such-program")
				change(c)
				if err := c.Start(); err != nil {
					t.Fatal(err)
				}
				cancel()
				var exit *exec.ExitError
				if err := c.Wait(); !errors.As(err, &exit) || exit.Success() {
					t.Errorf("got %v", err)
				}
				if err := c.TreeHolds(); c.Tree && err != nil {
					t.Error(err)
				}
				if o, ok := c.Observer.(*observer); ok && (o.started != 1 || o.ended != 1 || o.pid != c.Process.Pid) {
					t.Errorf("the Observer has seen %+v", o)
				}
				c = exec.CommandContext(ctx, "no-such-program")
				if err := c.Run(); !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			})
		}
	}
}

// killed starts a program, kills it once it has begun, and waits for it.
func killed(t *testing.T, c *exec.Cmd, begun <-chan struct{}) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-begun
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Errorf("got %v", err)
	}
}

// untilRefused reads or writes until that fails.
func untilRefused(use func([]byte) (int, error)) (err error) {
	for b := []byte{'!'}; err == nil; _, err = use(b) {
	}
	return err
}

// TestDeadWritesNothing has a program that goes on when a signal has ended it.
func TestDeadWritesNothing(t *testing.T) {
	begun, late := make(chan struct{}), make(chan error)
	var out bytes.Buffer
	c, _ := command(t, anyArgs().Do(func(r *exectest.Run) int {
		fmt.Fprint(r.Stdout, "alive")
		close(begun)
		<-r.Done
		late <- untilRefused(r.Stdout.Write)
		return 0
	}))
	c.Stdout = &out
	killed(t, c, begun)
	got := out.String()
	if err := <-late; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if !strings.HasPrefix(got, "alive") || out.String() != got {
		t.Errorf("%d bytes, and then %d", len(got), out.Len())
	}
}

// TestDeadReadsNothing has a program that reads when a signal has ended it.
func TestDeadReadsNothing(t *testing.T) {
	begun, late := make(chan struct{}), make(chan error)
	c, _ := command(t, anyArgs().Do(func(r *exectest.Run) int {
		_, _ = io.ReadFull(r.Stdin, make([]byte, 2))
		close(begun)
		<-r.Done
		late <- untilRefused(r.Stdin.Read)
		return 0
	}))
	in := strings.NewReader("ab" + strings.Repeat("c", 1<<20))
	c.Stdin = in
	killed(t, c, begun)
	left := in.Len()
	if err := <-late; !errors.Is(err, os.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if in.Len() != left {
		t.Errorf("%d bytes were left, and then %d", left, in.Len())
	}
}

// stuck is a writer that does not return until somebody lets it go.
type stuck struct{ begun, free chan struct{} }

func (w stuck) Write(b []byte) (int, error) {
	close(w.begun)
	<-w.free
	return len(b), nil
}

// TestDeadWriter has a writer of the caller that does not return.
func TestDeadWriter(t *testing.T) {
	w := stuck{make(chan struct{}), make(chan struct{})}
	defer close(w.free)
	c, _ := command(t, anyArgs().Out("x").Trap(syscall.SIGTERM, 0))
	c.Stdout, c.WaitDelay = w, time.Millisecond
	c.Stop = []spawn.StopStep{{Signal: syscall.SIGTERM}}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	<-w.begun
	if err := c.Shutdown(t.Context()); !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("got %v", err)
	}
}

type observer struct{ started, ended, pid int }

func (o *observer) Started(e spawn.Event) { o.started++; o.pid = e.Pid }
func (o *observer) Ended(spawn.Event)     { o.ended++ }

// TestSignals has programs that act on signals.
func TestSignals(t *testing.T) {
	c, f := command(t, anyArgs().After(time.Hour).Trap(syscall.SIGTERM, 4))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil || c.ProcessState.ExitCode() != 4 {
		t.Errorf("got %v, %v", err, c.ProcessState)
	}
	got := f.Calls()[0].Signals
	if !slices.Contains(got, os.Signal(syscall.SIGTERM)) || slices.Contains(got, os.Kill) || slices.Contains(got, os.Signal(syscall.Signal(0))) {
		t.Errorf("got %v", got)
	}
	c, f = command(t, anyArgs().After(time.Hour).Ignore(syscall.SIGTERM))
	c.Stop = spawn.Graceful(1)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Shutdown(t.Context()); err != nil || c.ProcessState.Success() {
		t.Errorf("got %v, %v", err, c.ProcessState)
	}
	if got := f.Calls()[0].Signals; !slices.Contains(got, os.Kill) {
		t.Errorf("got %v", got)
	}
}

// TestFailures wants the errors of real starts.
func TestFailures(t *testing.T) {
	own := errors.New("own")
	c, f := command(t, anyArgs().Fail(own))
	if err := c.Run(); err != own || f.Calls()[0].Err != own || c.Process != nil {
		t.Errorf("got %v", err)
	}
	c, _ = command(t, anyArgs().FailStep(spawn.StepSetresuid, syscall.EPERM))
	c.Dir = "/no/such/directory"
	c.Attr = attr.List{attr.Nice(1), attr.Credential{UID: 5, GID: 5}}
	err := c.Run()
	var pe *fs.PathError
	var step *spawn.Error
	if !errors.As(err, &pe) || pe.Op != "fork/exec" || !errors.As(err, &step) || step.Step != spawn.StepSetresuid || !errors.Is(err, syscall.EPERM) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	if p, err := spawn.Compile(&spawn.Spec{Path: "/", Attr: c.Attr}); err == nil && len(p.Steps()) > 0 && (step.Part != spawn.PartAttr || step.Index != 1) {
		t.Errorf("got %+v", step)
	}
	c, _ = command(t, anyArgs().FailStep(spawn.StepExecve, syscall.ENOENT))
	if err := c.Run(); !errors.As(err, &pe) || pe.Err != error(syscall.ENOENT) || !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
	c, _ = command(t, anyArgs())
	c.PTY = &exec.PTY{}
	if err := c.Run(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

// TestPipeline has fakes in a pipeline, alone and beside a real program.
func TestPipeline(t *testing.T) {
	ctx := exectest.Script(
		exectest.On("first").Out(strings.Repeat("x", 200000)),
		exectest.On("pass").Do(func(r *exectest.Run) int { _, _ = io.Copy(r.Stdout, r.Stdin); return 3 }),
		exectest.On("early"),
	).Context(t.Context())
	p := exec.Pipe(exec.CommandContext(ctx, "first"), exec.CommandContext(ctx, "pass"))
	out, err := p.Output()
	var failed *exec.PipeError
	if len(out) != 200000 || !errors.As(err, &failed) || failed.Index != 1 {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
	p = exec.Pipe(exec.CommandContext(ctx, "first"), exec.CommandContext(ctx, "early"))
	if err := p.Run(); err != nil && runtime.GOOS != "windows" {
		t.Error(err)
	}
	real := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("say", "real", "", "")}
	p = exec.Pipe(real, exec.CommandContext(ctx, "pass"))
	if out, err := p.Output(); string(out) != "real" || !errors.As(err, &failed) || failed.Index != 1 {
		t.Errorf("%q, %v", out, err)
	}
}

// TestPipelineTree ends fakes that have a tree, in which they are not.
func TestPipelineTree(t *testing.T) {
	for name, end := range map[string]func(p *exec.Pipeline, cancel func()) error{
		"Kill":    func(p *exec.Pipeline, _ func()) error { return p.Kill() },
		"context": func(_ *exec.Pipeline, cancel func()) error { cancel(); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			ctx = exectest.Script(exectest.OnAny("long").After(time.Hour)).Context(ctx)
			p := exec.Pipe(exec.CommandContext(ctx, "long"), exec.CommandContext(ctx, "long"))
			p.Tree = true
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			if err := end(p, cancel); err != nil {
				t.Error(err)
			}
			var failed *exec.PipeError
			if err := p.Wait(); !errors.As(err, &failed) || errors.Is(err, context.Canceled) != (name == "context") {
				t.Errorf("got %v", err)
			}
			if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("Kill again: %v", err)
			}
		})
	}
}

// spy is a testing.TB that notes what fails.
type spy struct {
	testing.TB
	errors  []string
	cleanup []func()
}

func (s *spy) Helper()          {}
func (s *spy) Cleanup(f func()) { s.cleanup = append(s.cleanup, f) }
func (s *spy) Errorf(format string, args ...interface{}) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

// TestStrict wants unexpected and missing commands to fail the test.
func TestStrict(t *testing.T) {
	tb := &spy{TB: t}
	f := exectest.Script(exectest.On("a").Times(2), exectest.On("b")).Strict(tb)
	ctx := f.Context(t.Context())
	if err := exec.CommandContext(ctx, "a").Run(); err != nil {
		t.Error(err)
	}
	if len(tb.errors) != 0 {
		t.Errorf("got %q", tb.errors)
	}
	if err := exec.CommandContext(ctx, "a", "x").Run(); !errors.Is(err, exectest.ErrUnexpected) || len(tb.errors) != 1 {
		t.Errorf("got %v, %q", err, tb.errors)
	}
	tb.cleanup[0]()
	if len(tb.errors) != 3 {
		t.Errorf("got %q", tb.errors)
	}
	f.AssertRan(tb, []string{"a"}, []string{"a", "x"})
	if len(tb.errors) != 3 {
		t.Errorf("got %q", tb.errors)
	}
	f.AssertRan(tb, []string{"a"})
	if len(tb.errors) != 4 {
		t.Errorf("got %q", tb.errors)
	}
	if err := exec.CommandContext(exectest.Script().Context(t.Context()), "a").Run(); !errors.Is(err, exectest.ErrUnexpected) {
		t.Errorf("got %v", err)
	}
}

// TestNoRunner gives a part of a program processes again.
func TestNoRunner(t *testing.T) {
	ctx := exec.WithRunner(exectest.Script().Context(t.Context()), nil)
	c := exec.CommandContext(ctx, testenv.Self(t))
	c.Args = testenv.HelperArgs("say", "a", "", "")
	if out, err := c.Output(); string(out) != "a" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if c := exec.CommandContext(ctx, "no-such-program"); c.Err == nil {
		t.Error("found")
	}
}
