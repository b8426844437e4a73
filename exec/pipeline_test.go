package exec_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	// It passes on its input, and then ends with a status and a line that says so.
	testenv.RegisterHelper("pass", func(args []string) int {
		_, _ = io.Copy(os.Stdout, os.Stdin) // the next may not read it
		_, _ = os.Stderr.WriteString("passed " + args[0] + "\n")
		return number(args[0])
	})
	// It reads one byte.
	testenv.RegisterHelper("sip", func([]string) int {
		_, err := io.ReadFull(os.Stdin, make([]byte, 1))
		return status(err)
	})
}

// helper is a Cmd of a helper.
func helper(t testing.TB, name string, args ...string) *exec.Cmd {
	return &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...)}
}

// helperContext is helper with a context.
func helperContext(ctx context.Context, t testing.TB, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, testenv.Self(t))
	c.Args = testenv.HelperArgs(name, args...)
	return c
}

// codes are the exit codes in an error of a pipeline. 0 is no error.
func codes(t *testing.T, err error) (list []int, index int) {
	t.Helper()
	var failed *exec.PipeError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	for _, e := range failed.Errs {
		code := 0
		var exit *exec.ExitError
		if errors.As(e, &exit) {
			code = exit.ExitCode()
		} else if e != nil && !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("got %v", e)
		}
		list = append(list, code)
	}
	return list, failed.Index
}

// passing is a pipeline of programs that pass on "text" and end with statuses.
func passing(t *testing.T, statuses ...int) *exec.Pipeline {
	p := exec.Pipe()
	for _, s := range statuses {
		p.Cmds = append(p.Cmds, helper(t, "pass", strconv.Itoa(s)))
	}
	p.Cmds[0].Stdin = strings.NewReader("text")
	return p
}

func TestPipe(t *testing.T) {
	const size = 300000 // more than pipes hold
	p := exec.Pipe(helper(t, "write", "1", strconv.Itoa(size)), helper(t, "cat"), helper(t, "cat"))
	if out, err := p.Output(); err != nil || len(out) != size {
		t.Errorf("got %d bytes, %v", len(out), err)
	}
	for _, c := range p.Cmds {
		if c.ProcessState == nil || !c.ProcessState.Success() {
			t.Errorf("got %v", c.ProcessState)
		}
	}
	if err := p.Wait(); err != nil {
		t.Errorf("Wait again: %v", err)
	}
	if err := p.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("Kill at the end: %v", err)
	}
	if err := p.Start(); err == nil {
		t.Error("started twice")
	}
}

// TestPipeStreams has the streams of the Cmds, and files among them.
func TestPipeStreams(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var first, last bytes.Buffer
	p := passing(t, 0, 0, 0)
	p.Cmds[0].Stderr, p.Cmds[2].Stderr, p.Cmds[2].Stdout = &first, &last, file
	if err := p.Run(); err != nil {
		t.Error(err)
	}
	out, err := os.ReadFile(file.Name())
	if string(out) != "text" || err != nil || first.String() != "passed 0\n" || last.String() != first.String() {
		t.Errorf("%q, %v, %q, %q", out, err, &first, &last)
	}

	p = passing(t, 0, 0)
	in, err1 := func() (io.WriteCloser, error) { p.Cmds[0].Stdin = nil; return p.Cmds[0].StdinPipe() }()
	r, err2 := p.Cmds[1].StdoutPipe()
	if err := errors.Join(err1, err2, p.Start()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, "piped"); err != nil {
		t.Error(err)
	}
	in.Close()
	if out, err := io.ReadAll(r); string(out) != "piped" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
}

// TestPipeStatuses wants the statuses in order, and the last that failed at the front.
func TestPipeStatuses(t *testing.T) {
	for _, c := range []struct {
		statuses []int
		index    int
		lastOnly bool
	}{
		{[]int{3, 0, 5}, 2, false},
		{[]int{3, 4, 0}, 1, false},
		{[]int{3, 0, 0}, 0, false},
		{[]int{3, 4, 5}, 2, true},
		{[]int{3, 4, 0}, -1, true},
		{[]int{7}, 0, false},
		{[]int{0, 0}, -1, false},
	} {
		p := passing(t, c.statuses...)
		p.LastOnly = c.lastOnly
		out, err := p.Output()
		if string(out) != "text" {
			t.Errorf("got %q", out)
		}
		for i, cmd := range p.Cmds {
			if got := cmd.ProcessState.ExitCode(); got != c.statuses[i] {
				t.Errorf("status %d of %v is %d", i, c.statuses, got)
			}
		}
		if c.index < 0 {
			if err != nil {
				t.Errorf("%v: got %v", c.statuses, err)
			}
			continue
		}
		list, index := codes(t, err)
		var exit *exec.ExitError
		if !equal(list, c.statuses) || index != c.index || !errors.As(err, &exit) || exit.ExitCode() != c.statuses[index] {
			t.Errorf("%v: got %v, %d, %v", c.statuses, list, index, err)
		} else if want := "passed " + strconv.Itoa(exit.ExitCode()) + "\n"; string(exit.Stderr) != want {
			t.Errorf("%v: standard error %q", c.statuses, exit.Stderr)
		}
	}
}

func equal(a, b []int) bool {
	for i := range a {
		if len(a) != len(b) || a[i] != b[i] {
			return false
		}
	}
	return len(a) == len(b)
}

func TestPipeCombined(t *testing.T) {
	p := passing(t, 0, 2, 3)
	out, err := p.CombinedOutput()
	list, index := codes(t, err)
	for _, want := range []string{"passed 0\n", "passed 2\n", "passed 3\n", "text"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in %q", want, out)
		}
	}
	if len(out) != 31 || !equal(list, []int{0, 2, 3}) || index != 2 {
		t.Errorf("got %q, %v, %d", out, list, index)
	}
}

// TestPipeEarlyEnd has a reader that ends early.
func TestPipeEarlyEnd(t *testing.T) {
	for range testenv.Rounds(5, 1000) {
		if err := exec.Pipe(helper(t, "write", "1", "1000000"), helper(t, "sip")).Run(); err != nil && runtime.GOOS != "windows" {
			t.Fatal(err)
		}
	}
	p := exec.Pipe(helper(t, "write", "1", "1000000"), helper(t, "sip"))
	p.BrokenPipe = true
	var failed *exec.PipeError
	if err := p.Run(); !errors.As(err, &failed) || failed.Index != 0 || failed.Errs[1] != nil {
		t.Errorf("got %v", err)
	}
	// It is the pipe of the caller that is broken.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	last := helper(t, "write", "1", "1000000")
	last.Stdout = w
	if err := exec.Pipe(helper(t, "exit", "0"), last).Run(); !errors.As(err, &failed) || failed.Index != 1 {
		t.Errorf("got %v", err)
	}
}

// TestPipeMisuse wants an error before anything happens.
func TestPipeMisuse(t *testing.T) {
	plain := func(string) *exec.Cmd { return helper(t, "exit", "0") }
	with := func(name string, at int, f func(c *exec.Cmd)) func(which string) *exec.Cmd {
		return func(which string) *exec.Cmd {
			c := plain(which)
			if which == name+strconv.Itoa(at) {
				f(c)
			}
			return c
		}
	}
	for name, wrong := range map[string]struct {
		at int
		f  func(c *exec.Cmd)
	}{
		"Stdout":  {1, func(c *exec.Cmd) { c.Stdout = io.Discard }},
		"Stdin":   {1, func(c *exec.Cmd) { c.Stdin = strings.NewReader("") }},
		"Err":     {2, func(c *exec.Cmd) { c.Err = &exec.Error{Name: "x", Err: exec.ErrNotFound} }},
		"Path":    {2, func(c *exec.Cmd) { c.Path = "" }},
		"Cancel":  {2, func(c *exec.Cmd) { c.Cancel = func() error { return nil } }},
		"Tree":    {1, func(c *exec.Cmd) { c.Tree = true }},
		"started": {1, func(c *exec.Cmd) { _ = c.Run() }},
	} {
		t.Run(name, func(t *testing.T) {
			mk := with(name, wrong.at, wrong.f)
			p := exec.Pipe(mk(name+"0"), mk(name+"1"), mk(name+"2"))
			p.Tree = name == "Tree"
			var failed *exec.PipeError
			if err := p.Run(); !errors.As(err, &failed) || failed.Index != wrong.at || failed.Errs[wrong.at] == nil {
				t.Errorf("got %v", err)
			}
			if _, err := p.Output(); err == nil {
				t.Error("Output does without")
			}
			for i, c := range p.Cmds {
				if c.Process != nil && name != "started" {
					t.Errorf("command %d was started", i)
				}
			}
			p.Cmds[wrong.at] = plain("")
			if p.Tree = false; name != "started" {
				if err := p.Run(); err != nil {
					t.Errorf("put right: %v", err)
				}
			}
		})
	}
	c := helper(t, "exit", "0")
	for name, p := range map[string]*exec.Pipeline{"none": exec.Pipe(), "nil": exec.Pipe(c, nil), "twice": exec.Pipe(c, c)} {
		if err := p.Run(); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := p.Wait(); err == nil {
			t.Errorf("%s: Wait without Start", name)
		}
		if err := p.Kill(); err == nil {
			t.Errorf("%s: Kill without Start", name)
		}
	}
	c.Stderr = io.Discard
	if _, err := exec.Pipe(c, helper(t, "cat")).CombinedOutput(); err == nil {
		t.Error("Stderr is the caller's")
	}
	c.Stdout = io.Discard
	if _, err := exec.Pipe(helper(t, "cat"), c).Output(); err == nil {
		t.Error("Stdout is the caller's")
	}
}

// TestPipeMissing starts a pipeline with a program that is missing. Those before it would
// never end by themselves, and the reader of the first never returns.
func TestPipeMissing(t *testing.T) {
	for _, tree := range []bool{false, true} {
		for at := range 3 {
			before := testenv.Leftovers()
			p := exec.Pipe(helper(t, "stay"), helper(t, "stay"), helper(t, "stay"))
			if p.Tree = tree; tree {
				p.Cmds[0].Args = testenv.HelperArgs("ancestor")
			}
			p.Cmds[at].Path = filepath.Join(t.TempDir(), "missing")
			var diag bytes.Buffer
			p.Cmds[0].Stderr = &diag
			in, stop := io.Pipe()
			p.Cmds[0].Stdin = in
			_, err := p.Cmds[2].StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			err = p.Start()
			var failed *exec.PipeError
			if !errors.As(err, &failed) || failed.Index != at || !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			for i, c := range p.Cmds {
				if ran := c.Process != nil; ran != (i < at) {
					t.Errorf("missing %d: command %d was started: %v", at, i, ran)
				}
				if c.Process != nil && c.ProcessState == nil {
					t.Errorf("missing %d: command %d was not waited for", at, i)
				}
			}
			if err := p.Wait(); err == nil {
				t.Error("there is nothing to wait for")
			}
			stop.Close()
			testenv.Eventually(t, "nothing is left", func() bool { return len(testenv.LeftoversSince(before)) == 0 })
		}
	}
}

// TestPipeContext ends pipelines by contexts.
func TestPipeContext(t *testing.T) {
	why := errors.New("why")
	for name, mk := range map[string]func(ctx, other context.Context) *exec.Pipeline{
		"given": func(ctx, _ context.Context) *exec.Pipeline {
			return exec.PipeContext(ctx, helper(t, "stay"), helper(t, "stay"))
		},
		"of the first": func(ctx, _ context.Context) *exec.Pipeline {
			return exec.Pipe(helperContext(ctx, t, "stay"), helper(t, "stay"))
		},
		"of the last": func(ctx, _ context.Context) *exec.Pipeline {
			return exec.Pipe(helper(t, "stay"), helperContext(ctx, t, "stay"))
		},
		"of both": func(ctx, _ context.Context) *exec.Pipeline {
			return exec.PipeContext(ctx, helperContext(ctx, t, "stay"), helperContext(ctx, t, "stay"))
		},
		"one of two": func(ctx, other context.Context) *exec.Pipeline {
			return exec.Pipe(helperContext(other, t, "stay"), helperContext(ctx, t, "stay"), helper(t, "stay"))
		},
		"not the given": func(ctx, other context.Context) *exec.Pipeline {
			return exec.PipeContext(other, helper(t, "stay"), helperContext(ctx, t, "stay"))
		},
		"tree": func(ctx, other context.Context) *exec.Pipeline {
			p := exec.PipeContext(other, helper(t, "ancestor", "wait"), helperContext(ctx, t, "stay"))
			p.Tree = true
			return p
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			other, end := context.WithCancel(t.Context())
			defer end()
			p := mk(ctx, other)
			if err := p.Start(); err != nil {
				t.Fatal(err)
			}
			cancel(why)
			err := p.Wait()
			var failed *exec.PipeError
			var exit *exec.ExitError
			if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || !errors.As(err, &failed) || !errors.As(err, &exit) {
				t.Fatalf("got %v", err)
			}
			for i, e := range failed.Errs {
				if e == nil {
					t.Errorf("command %d: %v", i, p.Cmds[i].ProcessState)
				}
			}
			// Once more, when it has ended.
			p = mk(ctx, other)
			if err := p.Run(); !errors.Is(err, context.Canceled) || !errors.As(err, &failed) || failed.Index < 0 {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestPipeDeadline tells a deadline from a cancellation, also in the errors of programs that
// have another context.
func TestPipeDeadline(t *testing.T) {
	other, cancel := context.WithCancel(t.Context())
	defer cancel()
	ctx, end := context.WithTimeout(t.Context(), 1)
	defer end()
	<-ctx.Done()
	p := exec.Pipe(helperContext(other, t, "stay"), helperContext(other, t, "stay"))
	late := &lateContext{Context: other}
	p.Cmds[1] = helperContext(late, t, "stay")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	p = exec.Pipe(helperContext(t.Context(), t, "stay"), helperContext(ctx, t, "stay"))
	if err := p.Run(); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// lateContext can't be compared.
type lateContext struct {
	context.Context
	_ []func()
}

// TestPipeMaxOutput stops programs that write for ever.
func TestPipeMaxOutput(t *testing.T) {
	for _, run := range []func(*exec.Pipeline) ([]byte, error){(*exec.Pipeline).Output, (*exec.Pipeline).CombinedOutput} {
		p := exec.Pipe(helper(t, "write", "1", "100000000"), helper(t, "cat"), helper(t, "cat"))
		p.MaxOutput = 1000
		if out, err := run(p); len(out) != 1000 || !errors.Is(err, exec.ErrMaxOutput) {
			t.Errorf("got %d bytes, %v", len(out), err)
		}
	}
}

// TestPipeString has what a shell would be told.
func TestPipeString(t *testing.T) {
	p := exec.Pipe(&exec.Cmd{Path: "a", Args: []string{"a", "b"}}, &exec.Cmd{Path: "c"})
	if got := p.String(); got != "a b | c" {
		t.Errorf("got %q", got)
	}
}
