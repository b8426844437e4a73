package exec_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// lines is written to, and calls full when it has some number of lines.
type lines struct {
	text []byte
	left int
	full func()
}

func (l *lines) Write(b []byte) (int, error) {
	if n := bytes.Count(b, []byte("\n")); l.left > 0 {
		if l.left -= n; l.left <= 0 {
			l.full()
		}
	}
	l.text = append(l.text, b...)
	return len(b), nil
}

func (l *lines) String() string { return string(l.text) }

// overdue is a context whose deadline is over when end is called, however busy the
// machine is.
type overdue struct {
	context.Context
	end context.CancelFunc
}

func newOverdue() *overdue {
	ctx, end := context.WithCancel(context.Background())
	return &overdue{ctx, end}
}

func (o *overdue) Err() error {
	if o.Context.Err() == nil {
		return nil
	}
	return context.DeadlineExceeded
}

// gently are steps of which the second must not be needed.
var gently = spawn.Graceful(testenv.Patience)

// soon is a grace that is over before a process acts.
const soon = 20 * time.Millisecond

const (
	// obeys exits with status 4 at TERM, and defies ignores it.
	obeys  = `trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.02; done`
	defies = `trap "" TERM; echo ready; while :; do sleep 0.02; done`
)

// begun starts a shell script and waits for its first line.
func begun(t *testing.T, c *exec.Cmd) (line string, rest io.Reader) {
	t.Helper()
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	if line, err = r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(line), r
}

// withTree runs a test without and, where there are trees, with Tree.
func withTree(t *testing.T, f func(t *testing.T, tree bool)) {
	t.Run("alone", func(t *testing.T) { f(t, false) })
	if spawn.Features().Has(spawn.FeatureEngine) {
		t.Run("tree", func(t *testing.T) { f(t, true) })
	}
}

// TestA6StopByContext ends programs by the context, those that obey and those that don't.
func TestA6StopByContext(t *testing.T) {
	withTree(t, func(t *testing.T, tree bool) {
		for script, steps := range map[string][]spawn.StopStep{obeys: gently, defies: spawn.Graceful(soon)} {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			c := exec.CommandContext(ctx, "/bin/sh", "-c", script)
			c.Tree, c.Stop = tree, steps
			c.Cancel = func() error { t.Error("Cancel was called"); return nil }
			_, rest := begun(t, c)
			cancel()
			if script == obeys {
				if said, err := io.ReadAll(rest); err != nil || string(said) != "bye\n" {
					t.Errorf("%q, %v", said, err)
				}
			}
			err := c.Wait()
			var exit *exec.ExitError
			if !errors.Is(err, context.Canceled) || !errors.As(err, &exit) {
				t.Fatalf("%v", err)
			}
			if script == obeys && exit.ExitCode() != 4 || script == defies && exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Errorf("%v", exit)
			}
		}
	})
}

// TestStopAfterEnd lets the context end after the program.
func TestStopAfterEnd(t *testing.T) {
	withTree(t, func(t *testing.T, tree bool) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := exec.CommandContext(ctx, "/bin/sh", "-c", "echo; exit 3")
		c.Tree, c.Stop = tree, gently
		_, rest := begun(t, c)
		if _, err := io.ReadAll(rest); err != nil {
			t.Error(err)
		}
		if spawn.Features().Has(spawn.FeatureEngine) {
			testenv.Eventually(t, "the program has ended", func() bool { return testenv.IsOver(c.Process.Pid) })
			cancel()
		}
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 || errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
	})
}

// TestStopWaitDelay bounds the waiting for a pipe that others have, after the steps.
func TestStopWaitDelay(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", "sleep 60 & echo $!; exec sleep 60")
	out := &lines{left: 1, full: cancel}
	c.Stop, c.WaitDelay, c.Stdout = gently, soon, out
	if err := c.Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := syscall.Kill(number(strings.TrimSpace(out.String())), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

// TestA8Shutdown stops programs that somebody waits for, or nobody.
func TestA8Shutdown(t *testing.T) {
	withTree(t, func(t *testing.T, tree bool) {
		for _, waiting := range []string{"before", "after", "never"} {
			t.Run("Wait "+waiting, func(t *testing.T) {
				c := exec.Command("/bin/sh", "-c", obeys)
				c.Tree, c.Stop = tree, gently
				begun(t, c)
				var exit *exec.ExitError
				wait := func() {
					if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 4 {
						t.Errorf("Wait: %v", err)
					}
				}
				var wg sync.WaitGroup
				if waiting == "before" {
					wg.Go(wait)
				}
				for range 3 {
					wg.Go(func() {
						if err := c.Shutdown(t.Context()); err != nil {
							t.Errorf("Shutdown: %v", err)
						}
					})
				}
				wg.Wait()
				if waiting == "after" {
					wait()
				}
				if c.ProcessState.ExitCode() != 4 {
					t.Error(c.ProcessState)
				}
				if err := c.Shutdown(t.Context()); err != nil {
					t.Errorf("again: %v", err)
				}
				wait() // again
			})
		}
	})
}

// TestShutdownInVain stops a program that does not end by the steps.
func TestShutdownInVain(t *testing.T) {
	withTree(t, func(t *testing.T, tree bool) {
		c := exec.Command("/bin/sh", "-c", defies)
		c.Tree, c.Stop = tree, []spawn.StopStep{{Signal: syscall.SIGTERM, Grace: soon}}
		if err := c.Shutdown(t.Context()); err == nil {
			t.Error("it was not started")
		}
		begun(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		if err := c.Shutdown(ctx); !errors.Is(err, spawn.ErrStillAlive) {
			t.Error(err)
		}
		cancel()
		if err := c.Shutdown(ctx); err != context.Canceled {
			t.Error(err)
		}
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
		var exit *exec.ExitError
		if err := c.Wait(); !errors.As(err, &exit) {
			t.Error(err)
		}
	})
}

// TestStopTree lets a process of the tree take its time after the leader's end.
func TestStopTree(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "no trees")
	}
	for name, end := range map[string]func(c *exec.Cmd, cancel func()) error{
		"context":  func(c *exec.Cmd, cancel func()) error { cancel(); return c.Wait() },
		"Shutdown": func(c *exec.Cmd, _ func()) error { go c.Wait(); return c.Shutdown(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			file := t.TempDir() + "/said"
			c := exec.CommandContext(ctx, "/bin/sh", "-c", `
(trap "sleep 0.2; echo bye >`+file+`; exit" TERM; echo ready; exec >&-; while :; do sleep 0.02; done) &
trap "exit 4" TERM; while :; do sleep 0.02; done`)
			c.Tree, c.Stop = true, gently
			begun(t, c)
			if err := end(c, cancel); err != nil && !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if said, err := os.ReadFile(file); err != nil || string(said) != "bye\n" {
				t.Errorf("%q, %v", said, err)
			}
		})
	}
}

// TestStopTreeLeft has the context end when the leader has ended and a process of the tree has
// the standard output.
func TestStopTreeLeft(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "no trees")
	}
	for _, both := range []bool{false, true} {
		ctx := newOverdue()
		c := exec.CommandContext(ctx, "/bin/sh", "-c", "( "+obeys+" ) & exit 0")
		out := &lines{left: 1, full: func() {
			if !testenv.Soon(func() bool { return testenv.IsOver(c.Process.Pid) }) {
				t.Error("the leader is alive")
			}
			ctx.end()
		}}
		c.Tree, c.ContextError, c.Stop, c.Stdout = true, both, gently, out
		var exit *exec.ExitError
		if err := c.Run(); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &exit) || out.String() != "ready\nbye\n" {
			t.Errorf("ContextError %v: %v, %q", both, err, out)
		}
	}
}

// TestA3TreeSurvivors ends families at a deadline, and wants no survivor.
func TestA3TreeSurvivors(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "no way to know who is alive")
	}
	for round := range testenv.Rounds(20, 1000) {
		ctx := newOverdue()
		out := &lines{left: 2, full: ctx.end}
		c := exec.CommandContext(ctx, "/bin/sh", "-c", "sleep 60 & echo $!; sleep 60 & echo $!; wait")
		if c.Tree, c.Stdout = true, out; round%2 == 0 {
			c.Stop = gently
		}
		var exit *exec.ExitError
		if err := c.Run(); !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &exit) {
			t.Errorf("%v", err)
		}
		for _, pid := range strings.Fields(out.String()) {
			if !testenv.IsOver(number(pid)) {
				t.Errorf("process %s is alive", pid)
			}
		}
	}
}
