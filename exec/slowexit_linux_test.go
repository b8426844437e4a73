//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() { testenv.RegisterHelper("slowly", slowly) }

// It ends on SIGINT as a server does: it takes its time, and goes on writing.
func slowly([]string) int {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGINT)
	fmt.Println("up")
	<-c
	for i := range 5 {
		time.Sleep(20 * time.Millisecond)
		fmt.Println("ending", i)
	}
	fmt.Println("bye")
	return 3
}

// stopped are the ways in which programs interrupt one that ends slowly while its
// output is read.
var stopped = map[string]func(c *gentle) string{
	"pipe, signal, Wait after the end of the output": func(c *gentle) string {
		out := c.pipe()
		c.start()
		lines := bufio.NewReader(out)
		first, err := lines.ReadString('\n')
		c.interrupt(false)
		rest, err2 := io.ReadAll(lines)
		return fmt.Sprint(first, string(rest), err, err2, c.wait())
	},
	"pipe, group, Wait beside the reader": func(c *gentle) string {
		out := c.pipe()
		c.start()
		up, all := make(chan bool), make(chan string)
		go func() {
			lines := bufio.NewReader(out)
			first, _ := lines.ReadString('\n')
			close(up)
			rest, _ := io.ReadAll(lines) // Wait may close it
			all <- first + string(rest)
		}()
		<-up
		c.interrupt(true)
		state, err := c.process().Wait()
		text := <-all
		_ = c.wait() // closes what Start has opened
		return fmt.Sprint(text, state, err)
	},
	"writer, signal, Wait at once": func(c *gentle) string {
		out := c.buffer()
		c.start()
		out.await("up")
		done := make(chan error)
		go func() { done <- c.wait() }()
		c.interrupt(false)
		err := <-done
		return fmt.Sprint(out, err)
	},
	"writer, context, Cancel interrupts": func(c *gentle) string {
		out := c.buffer()
		c.start()
		out.await("up")
		c.end()
		err := c.wait()
		return fmt.Sprint(out, err)
	},
}

// TestSlowExit compares with os/exec how a program ends that takes long to.
func TestSlowExit(t *testing.T) {
	for name, run := range stopped {
		for _, delay := range []time.Duration{0, time.Minute} {
			t.Run(strings.ReplaceAll(fmt.Sprint(name, " ", delay), " ", "_"), func(t *testing.T) {
				t.Parallel() // most of the time is the program's
				ours, theirs := newGentle(t, false, delay), newGentle(t, true, delay)
				want, got := run(theirs), run(ours)
				if got != want || !strings.Contains(got, "bye") {
					t.Errorf("got\n%s\nwith os/exec\n%s", got, want)
				}
			})
		}
	}
}

// gentle is a Cmd of this package or of os/exec that is not killed.
type gentle struct {
	t   *testing.T
	our *exec.Cmd
	its *osexec.Cmd
	end func()
}

func newGentle(t *testing.T, its bool, delay time.Duration) *gentle {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := &gentle{t: t, end: cancel}
	group := &syscall.SysProcAttr{Setpgid: true}
	cancelled := func() error { return c.process().Signal(os.Interrupt) }
	if its {
		c.its = osexec.CommandContext(ctx, testenv.Self(t))
		c.its.Args, c.its.WaitDelay, c.its.SysProcAttr, c.its.Cancel = testenv.HelperArgs("slowly"), delay, group, cancelled
	} else {
		c.our = exec.CommandContext(ctx, testenv.Self(t))
		c.our.Args, c.our.WaitDelay, c.our.SysProcAttr, c.our.Cancel = testenv.HelperArgs("slowly"), delay, group, cancelled
	}
	return c
}

func (c *gentle) process() *os.Process {
	if c.its != nil {
		return c.its.Process
	}
	return c.our.Process
}

func (c *gentle) pipe() (r io.Reader) {
	var err error
	if c.its != nil {
		r, err = c.its.StdoutPipe()
	} else {
		r, err = c.our.StdoutPipe()
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}

func (c *gentle) buffer() *awaited {
	out := &awaited{changed: make(chan string, 100)}
	if c.its != nil {
		c.its.Stdout = out
	} else {
		c.our.Stdout = out
	}
	return out
}

func (c *gentle) start() {
	var err error
	if c.its != nil {
		err = c.its.Start()
	} else {
		err = c.our.Start()
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *gentle) interrupt(group bool) {
	pid := c.process().Pid
	if group {
		pid = -pid
	}
	if err := syscall.Kill(pid, syscall.SIGINT); err != nil {
		c.t.Error(err)
	}
}

func (c *gentle) wait() error {
	if c.its != nil {
		return c.its.Wait()
	}
	return c.our.Wait()
}

// awaited is a writer that says what comes.
type awaited struct {
	all     bytes.Buffer // Wait is before it is read
	changed chan string
}

func (a *awaited) Write(p []byte) (int, error) {
	a.changed <- string(p)
	return a.all.Write(p)
}

func (a *awaited) String() string { return a.all.String() }

func (a *awaited) await(text string) {
	for !strings.Contains(<-a.changed, text) {
	}
}
