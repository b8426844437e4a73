package exectest_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestLines has the lines of a program that is none, all and the first.
func TestLines(t *testing.T) {
	c, _ := command(t, anyArgs().Out("a\nb").Err("c\n").Exit(1))
	var got []string
	var last error
	for line, err := range c.Lines() {
		if last = err; err == nil {
			got = append(got, line.Stream.String()+" "+line.Text)
		}
	}
	var exit *exec.ExitError
	if strings.Join(got, ",") != "stdout a,stderr c,stdout b" || !errors.As(last, &exit) {
		t.Errorf("got %q, %v", got, last)
	}
	c, _ = command(t, anyArgs().Do(func(r *exectest.Run) int {
		for {
			if _, err := io.WriteString(r.Stdout, "y\n"); err != nil {
				return 1
			}
		}
	}))
	for line, err := range c.Lines() {
		if line.Text != "y" || err != nil {
			t.Errorf("got %+v, %v", line, err)
		}
		break
	}
	if c.ProcessState == nil {
		t.Error("it goes on")
	}
}

// TestCapture keeps some of the output, and bounds it.
func TestCapture(t *testing.T) {
	c, _ := command(t, anyArgs().Out("begin").Err("middle").Out("end"))
	keep := exec.NewCapture(exec.Keep{Head: 5, Tail: 3})
	c.Stdout, c.Stderr = keep, keep
	if err := c.Run(); err != nil || string(keep.Head()) != "begin" || string(keep.Tail()) != "end" || keep.Truncated() != 6 {
		t.Errorf("%q, %v", keep, err)
	}
	c, _ = command(t, anyArgs().Out("begin").Err("middle"))
	keep = exec.NewCapture(exec.Keep{Head: 100})
	c.Stdout, c.Stderr, c.MaxOutput = keep, keep, 10
	if err := c.Run(); keep.String() != "beginmiddl" || !errors.Is(err, exec.ErrMaxOutput) {
		t.Errorf("%q, %v", keep, err)
	}
}

// TestRecordMaxOutput bounds what the Cmd bounds without a Recorder, and no more.
func TestRecordMaxOutput(t *testing.T) {
	c := exec.CommandContext(exectest.Record("").Context(t.Context()), testenv.Self(t))
	c.Args, c.MaxOutput = testenv.HelperArgs("say", "a", strings.Repeat("x", 100), ""), 10
	if out, err := c.Output(); string(out) != "a" || err != nil {
		t.Errorf("%q, %v", out, err)
	}
	c = exec.CommandContext(exectest.Record("").Context(t.Context()), testenv.Self(t))
	keep := exec.NewCapture(exec.Keep{Head: 100})
	c.Args, c.MaxOutput = testenv.HelperArgs("say", strings.Repeat("x", 100), "", ""), 10
	c.Stdout = keep
	if err := c.Run(); keep.Total() != 10 || !errors.Is(err, exec.ErrMaxOutput) {
		t.Errorf("%q, %v", keep, err)
	}
}

// TestBufferPipes reads before Wait, after it, and not at all.
func TestBufferPipes(t *testing.T) {
	const size = 200000
	start := func() (*exec.Cmd, io.ReadCloser) {
		c, _ := command(t, anyArgs().Out(strings.Repeat("x", size/2)).Out(strings.Repeat("x", size/2)))
		c.BufferPipes = true
		out, err := c.StdoutPipe()
		if err := errors.Join(err, c.Start()); err != nil {
			t.Fatal(err)
		}
		return c, out
	}
	for _, waitFirst := range []bool{false, true} {
		c, out := start()
		if waitFirst {
			if err := c.Wait(); err != nil {
				t.Error(err)
			}
		}
		if got, err := io.ReadAll(out); len(got) != size || err != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if err := c.Wait(); err != nil {
			t.Error(err)
		}
	}
	c, out := start()
	out.Close()
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

// TestWaits waits in all ways for a program that takes an hour.
func TestWaits(t *testing.T) {
	c, _ := command(t, anyArgs().After(time.Hour))
	if c.Spawned() != nil || c.Done() != nil || c.WaitContext(t.Context()) == nil {
		t.Error("something before Start")
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if c.Spawned() != nil {
		t.Error("there is a process")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.WaitContext(ctx); err != context.Canceled {
		t.Errorf("got %v", err)
	}
	done := c.Done()
	select {
	case <-done:
		t.Error("it has ended")
	default:
	}
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	<-done
	var exit *exec.ExitError
	for _, err := range []error{c.WaitContext(t.Context()), c.Wait()} {
		if !errors.As(err, &exit) {
			t.Errorf("got %v", err)
		}
	}
	if c.Spawned() != nil {
		t.Error("there is a process")
	}
}
