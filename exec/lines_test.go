package exec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	// It writes N MiB without a newline, and then a last line.
	testenv.RegisterHelper("no newline", func(args []string) int {
		b := bytes.Repeat([]byte("x"), 1<<20)
		for range number(args[0]) {
			if _, err := os.Stdout.Write(b); err != nil {
				return 1
			}
		}
		fmt.Print("\nlast")
		return 0
	})
	testenv.RegisterHelper("say for ever", func([]string) int {
		for {
			if _, err := fmt.Println("line"); err != nil {
				return 1
			}
		}
	})
}

func self(t *testing.T, helper string, args ...string) *exec.Cmd {
	return exec.Command(testenv.Self(t), testenv.HelperArgs(helper, args...)...)
}

// TestLines reads the lines of both streams, and how the program has ended.
func TestLines(t *testing.T) {
	byStream := map[exec.Stream]string{}
	for line, err := range self(t, "both").Lines() {
		if err != nil || line.Cut || line.Time.IsZero() {
			t.Error(line, err)
		}
		byStream[line.Stream] += line.Text + ","
	}
	want := map[exec.Stream]string{}
	for i := range 10 {
		want[exec.Stdout] += fmt.Sprintf("out %d,", i)
		want[exec.Stderr] += fmt.Sprintf("err %d,", i)
	}
	if fmt.Sprint(byStream) != fmt.Sprint(want) {
		t.Errorf("%v", byStream)
	}
	count := 0
	var exit *exec.ExitError
	for line, err := range self(t, "exit", "3").Lines() {
		if count++; count == 1 && (err != nil || line.Text != "leaving" || line.Stream != exec.Stderr) || count == 2 && !errors.As(err, &exit) {
			t.Error(line, err)
		}
	}
	if count != 2 {
		t.Errorf("%d lines and errors", count)
	}
	for _, err := range exec.Command("/no/such/program").Lines() {
		if !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	}
}

// TestLinesLong has a line without an end. All of it comes, in parts, by little memory.
func TestLinesLong(t *testing.T) {
	mib := testenv.Rounds(8, 1024)
	total, last, parts := 0, exec.Line{}, 0
	for line, err := range self(t, "no newline", fmt.Sprint(mib)).Lines() {
		if err != nil {
			t.Fatal(err)
		}
		if line.Cut {
			parts++
		}
		total += len(line.Text)
		last = line
	}
	if total != mib<<20+len("last") || last.Text != "last" || last.Cut || parts < mib*16-1 {
		t.Errorf("%d bytes, %d parts, last %q", total, parts, last.Text)
	}
}

// TestLinesBreak leaves the loop early: the program is ended and reaped, also where a
// grandchild has the pipes and where Stdin does not return.
func TestLinesBreak(t *testing.T) {
	for name, set := range map[string]func(c *exec.Cmd){
		"plain": func(*exec.Cmd) {},
		"tree":  func(c *exec.Cmd) { c.Tree = true },
		"stdin": func(c *exec.Cmd) {
			r, w := io.Pipe()
			t.Cleanup(func() { w.Close() })
			c.Stdin = r
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := self(t, "say for ever")
			set(c)
			for line, err := range c.Lines() {
				if err != nil || line.Text != "line" {
					t.Error(line, err)
				}
				break
			}
			testenv.Eventually(t, "it is reaped", func() bool { return errors.Is(c.Process.Kill(), os.ErrProcessDone) })
		})
	}
}

// TestLinesPanic has the body of the loop panic.
func TestLinesPanic(t *testing.T) {
	c := self(t, "say for ever")
	func() {
		defer func() { _ = recover() }()
		for range c.Lines() {
			panic("enough")
		}
	}()
	if c.ProcessState == nil {
		t.Error("it is not reaped")
	}
}

// TestCapture writes in pieces of all sizes, and compares with all that was written.
func TestCapture(t *testing.T) {
	for _, k := range []exec.Keep{{}, {Head: 5}, {Tail: 5}, {Head: 3, Tail: 4}, {Head: 1000, Tail: 1}, {Head: -1, Tail: -1}} {
		for size := 1; size < 12; size++ {
			c := exec.NewCapture(k)
			var all []byte
			for i := range 9 {
				p := bytes.Repeat([]byte{byte('a' + i)}, size)
				all = append(all, p...)
				if n, err := c.Write(p); n != size || err != nil {
					t.Fatal(n, err)
				}
			}
			head := all[:min(len(all), max(k.Head, 0))]
			tail := all[max(len(head), len(all)-max(k.Tail, 0)):]
			lost := int64(len(all) - len(head) - len(tail))
			if c.Total() != int64(len(all)) || c.Truncated() != lost || !bytes.Equal(c.Head(), head) || !bytes.Equal(c.Tail(), tail) {
				t.Errorf("%+v: %q, %q of %q", k, c.Head(), c.Tail(), all)
			}
			if lost == 0 && c.String() != string(all) || lost > 0 && !strings.Contains(c.String(), fmt.Sprint(lost, " bytes")) {
				t.Errorf("%+v: %q", k, c)
			}
		}
	}
}

// TestCaptureOfCmd captures both streams of a program that writes much.
func TestCaptureOfCmd(t *testing.T) {
	out := exec.NewCapture(exec.Keep{Head: 4, Tail: 4})
	c := self(t, "no newline", fmt.Sprint(testenv.Rounds(4, 1024)))
	c.Stdout, c.Stderr = out, out
	if err := c.Run(); err != nil || string(out.Head()) != "xxxx" || string(out.Tail()) != "last" || out.Truncated() != out.Total()-8 {
		t.Errorf("%q, %q, %v", out.Head(), out.Tail(), err)
	}
}

// TestMaxOutputOfWriter bounds what any writer gets.
func TestMaxOutputOfWriter(t *testing.T) {
	for _, tree := range []bool{false, true} {
		var out bytes.Buffer
		c := self(t, "say for ever")
		c.Stdout, c.MaxOutput, c.Tree = &out, 1000, tree
		if err := c.Run(); !errors.Is(err, exec.ErrMaxOutput) || out.Len() != 1000 {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
		out.Reset()
		c = self(t, "write", "1", "1000")
		c.Stdout, c.MaxOutput, c.Tree = &out, 1000, tree
		if err := c.Run(); err != nil || out.Len() != 1000 {
			t.Errorf("%d bytes, %v", out.Len(), err)
		}
	}
}

// TestBufferPipes reads after Wait, beside it, and not at all.
func TestBufferPipes(t *testing.T) {
	const size = 300_000
	pipe := func(c *exec.Cmd) io.ReadCloser {
		c.BufferPipes = true
		r, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	c := self(t, "write", "1", fmt.Sprint(size))
	r := pipe(c)
	if err := c.Run(); err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(r); err != nil || len(b) != size {
		t.Errorf("after Wait: %d bytes, %v", len(b), err)
	}

	c = self(t, "write", "1", fmt.Sprint(size))
	r = pipe(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := c.Done()
	if b, err := io.ReadAll(r); err != nil || len(b) != size {
		t.Errorf("beside Wait: %d bytes, %v", len(b), err)
	}
	<-done

	c = self(t, "say for ever")
	r = pipe(c)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	var exit *exec.ExitError // by SIGPIPE, or status 1
	if err := c.Wait(); !errors.As(err, &exit) {
		t.Error(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != io.ErrClosedPipe {
		t.Error(err)
	}

	c = exec.Command("/no/such/program")
	r = pipe(c)
	if err := c.Start(); err == nil {
		t.Error("started")
	}
	if b, err := io.ReadAll(r); err != nil || len(b) != 0 {
		t.Errorf("%q, %v", b, err)
	}
}

// blocked is a reader and a writer that does not return.
type blocked struct{ until chan struct{} }

func (b blocked) Read([]byte) (int, error)  { <-b.until; return 0, io.EOF }
func (b blocked) Write([]byte) (int, error) { <-b.until; return 0, io.ErrClosedPipe }

// TestWaitDelayBlocked has the caller's reader and writer not return: Wait does.
func TestWaitDelayBlocked(t *testing.T) {
	for _, tree := range []bool{false, true} {
		for name, set := range map[string]func(c *exec.Cmd, b blocked){
			"reader": func(c *exec.Cmd, b blocked) { c.Stdin = b },
			"writer": func(c *exec.Cmd, b blocked) { c.Stdout = b },
			"both":   func(c *exec.Cmd, b blocked) { c.Stdin, c.Stderr = b, b },
		} {
			t.Run(fmt.Sprint(name, " ", tree), func(t *testing.T) {
				t.Parallel() // it waits for the second that a blocked one has
				if tree && !spawn.Features().Has(spawn.FeatureEngine) {
					testenv.Skip(t, "trees of the engine only")
				}
				b := blocked{make(chan struct{})}
				defer close(b.until)
				c := self(t, "both")
				set(c, b)
				c.WaitDelay, c.Tree = 10*time.Millisecond, tree
				if err := c.Run(); !errors.Is(err, exec.ErrWaitDelay) && (err != nil || !tree || name != "reader") {
					t.Error(err)
				}
				if !c.ProcessState.Success() {
					t.Error(c.ProcessState)
				}
			})
		}
	}
}

// TestStdinInMemory feeds programs with what fits a pipe, what does not, and what nobody
// reads.
func TestStdinInMemory(t *testing.T) {
	for _, size := range []int{0, 1, 60_000, 65_536, 65_537, 1_000_000} {
		text := strings.Repeat("x", size)
		for kind, in := range map[string]io.Reader{
			"bytes.Reader": bytes.NewReader([]byte(text)), "bytes.Buffer": bytes.NewBufferString(text), "strings.Reader": strings.NewReader(text),
		} {
			c := self(t, "cat")
			c.Stdin = in
			if out, err := c.Output(); err != nil || string(out) != text {
				t.Errorf("%s of %d: %d bytes, %v", kind, size, len(out), err)
			}
			if n, _ := in.Read(make([]byte, 1)); n != 0 {
				t.Errorf("%s of %d: something is left", kind, size)
			}
		}
		c := self(t, "exit", "0")
		c.Stdin = strings.NewReader(text)
		if err := c.Run(); err != nil {
			t.Errorf("%d that nobody reads: %v", size, err)
		}
	}
}

// TestLinesContext ends a loop by the context.
func TestLinesContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Self(t), testenv.HelperArgs("say for ever")...)
	c.ContextError = true
	var last error
	for _, err := range c.Lines() {
		cancel()
		last = err
	}
	if !errors.Is(last, context.Canceled) {
		t.Error(last)
	}
}

// waitsAtOnce is an Observer that begins a Wait at the start.
type waitsAtOnce struct{ cmd *exec.Cmd }

func (w waitsAtOnce) Started(spawn.Event) { w.cmd.Done() }
func (w waitsAtOnce) Ended(spawn.Event)   {}

// TestLinesObserverWaits has a Wait begin before Start returns. The race detector looks.
func TestLinesObserverWaits(t *testing.T) {
	c := exec.Command(testenv.Self(t), testenv.HelperArgs("cat")...) // which writes nothing
	c.Observer = waitsAtOnce{c}
	for line, err := range c.Lines() {
		t.Error(line, err)
	}
}
