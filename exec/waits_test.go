package exec_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// reads is a Cmd of a program that exits with a status when end is called.
func reads(t *testing.T, status string) (c *exec.Cmd, end func()) {
	t.Helper()
	c = exec.Command(testenv.Self(t), testenv.HelperArgs("read, exit", status)...)
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	return c, func() { in.Close() }
}

func init() {
	testenv.RegisterHelper("read, exit", func(args []string) int {
		_, _ = io.ReadAll(os.Stdin) // the end is all that matters
		return number(args[0])
	})
}

// TestA8ManyWaiters waits in every way at once, and once more afterwards.
func TestA8ManyWaiters(t *testing.T) {
	testenv.NeedOSWait(t)
	for _, tree := range []bool{false, true} {
		c, end := reads(t, "5")
		c.Tree = tree
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		ways := []func() error{
			c.Wait,
			func() error { return c.WaitContext(ctx) },
			func() error { return c.WaitContext(context.Background()) },
			func() error { <-c.Done(); return c.Wait() },
		}
		results := make([]error, 10*len(ways))
		var wg sync.WaitGroup
		for i := range results {
			wg.Go(func() { results[i] = ways[i%len(ways)]() })
		}
		end()
		wg.Wait()
		for _, way := range ways {
			results = append(results, way())
		}
		for _, err := range results {
			var exit *exec.ExitError
			if err != results[0] || !errors.As(err, &exit) || exit.ExitCode() != 5 {
				t.Errorf("Tree %v: %v and %v", tree, err, results[0])
			}
		}
	}
}

// TestWaitContext gives up, which the program does not notice, and waits again.
func TestWaitContext(t *testing.T) {
	c, end := reads(t, "5")
	if c.Done() != nil || c.Wait() == nil || c.WaitContext(t.Context()) == nil {
		t.Error("it was not started")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for range 3 {
		if err := c.WaitContext(ctx); err != context.Canceled {
			t.Error(err)
		}
	}
	select {
	case <-c.Done():
		t.Error("it has not ended")
	default:
	}
	end()
	var exit *exec.ExitError
	if err := c.WaitContext(t.Context()); !errors.As(err, &exit) || exit.ExitCode() != 5 {
		t.Error(err)
	}
	if err := c.WaitContext(ctx); err != nil && !errors.As(err, &exit) && err != context.Canceled {
		t.Error(err)
	}
}

// waiter is an Observer that waits.
type waiter struct {
	cmd *exec.Cmd
	err error
}

func (*waiter) Started(spawn.Event) {}

func (w *waiter) Ended(spawn.Event) { w.err = w.cmd.Wait() }

// TestWaitInObserver has the Observer wait, and be told before anybody else.
func TestWaitInObserver(t *testing.T) {
	c, end := reads(t, "5")
	w := &waiter{cmd: c}
	c.Observer = w
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := c.Done()
	end()
	<-done
	var exit *exec.ExitError
	if !errors.As(w.err, &exit) {
		t.Error(w.err)
	}
}

// TestWaitBesideReader has two goroutines wait for copies to a writer.
func TestWaitBesideReader(t *testing.T) {
	var out strings.Builder
	c := exec.Command(testenv.Self(t), testenv.HelperArgs("write", "1", "100000")...)
	c.Stdout = &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := c.Wait(); err != nil || out.Len() != 100000 {
				t.Errorf("%d bytes, %v", out.Len(), err)
			}
		})
	}
	wg.Wait()
}
