package exec_test

import (
	"context"
	"errors"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

var errWhy = errors.New("the user has left")

// TestA6ContextError ends programs by the context, and wants the reason and the end.
func TestA6ContextError(t *testing.T) {
	for name, set := range map[string]func(c *exec.Cmd){
		"as os/exec":   func(*exec.Cmd) {},
		"ContextError": func(c *exec.Cmd) { c.ContextError = true },
		"Tree":         func(c *exec.Cmd) { c.Tree = true },
		"Stop":         func(c *exec.Cmd) { c.Stop = spawn.Graceful(testenv.Patience) },
		"Cancel":       func(c *exec.Cmd) { c.ContextError, c.Cancel = true, func() error { return c.Process.Kill() } },
		"WaitDelay":    func(c *exec.Cmd) { c.ContextError, c.Cancel, c.WaitDelay = true, nil, time.Millisecond },
		"Cancel fails": func(c *exec.Cmd) {
			c.ContextError, c.Cancel, c.WaitDelay = true, func() error { return errors.New("no") }, time.Millisecond
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			c := exec.CommandContext(ctx, testenv.Self(t), testenv.HelperArgs("read, exit", "0")...)
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			set(c)
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			cancel(errWhy)
			err = c.Wait()
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Success() {
				t.Errorf("no ExitError: %v", err)
			}
			if name == "as os/exec" {
				if _, ok := err.(*exec.ExitError); !ok {
					t.Errorf("%v", err)
				}
			} else if !errors.Is(err, context.Canceled) || !errors.Is(err, errWhy) {
				t.Errorf("no reason: %v", err)
			}
		})
	}
}

// TestContextErrorInVain ends by itself before the context does.
func TestContextErrorInVain(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "no way to see the end before Wait")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Self(t), testenv.HelperArgs("exit", "3")...)
	var canceled atomic.Int32
	c.ContextError, c.Cancel = true, func() error { canceled.Add(1); return nil }
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := c.Spawned().WaitExited(context.Background()); err != nil {
		t.Error(err)
	}
	cancel()
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 || errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n := canceled.Load(); n != 0 {
		t.Errorf("Cancel was called %d times", n)
	}
}

// TestContextErrorAtStart has the context end before the start.
func TestContextErrorAtStart(t *testing.T) {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(errWhy)
	c := exec.CommandContext(ctx, os.Args[0])
	if err := c.Run(); err != context.Canceled {
		t.Error(err)
	}
	c = exec.CommandContext(ctx, os.Args[0])
	c.ContextError = true
	if err := c.Run(); !errors.Is(err, context.Canceled) || !errors.Is(err, errWhy) {
		t.Error(err)
	}
}
