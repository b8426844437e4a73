//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// family is a shell script that prints the pids of itself and of processes that
// it leaves behind with its standard output.
const family = `echo $$; sleep 60 & echo $!; (sleep 60; :) & echo $!; `

func mustBeGone(t *testing.T, pids []string, want int) {
	t.Helper()
	if len(pids) < want {
		t.Errorf("got %q, want %d pids", pids, want)
	}
	for _, p := range pids {
		if pid := number(p); !testenv.IsOver(pid) {
			t.Errorf("process %d is alive", pid)
			_ = syscall.Kill(pid, syscall.SIGKILL) // not to leave it behind
		}
	}
}

// eachTree runs a test with control groups, where they can be made, and without.
func eachTree(t *testing.T, f func(t *testing.T)) {
	if exec.Features().Has(exec.FeatureTreeCgroup) {
		t.Run("cgroup", f)
	}
	defer exec.ForceNoCgroup()()
	t.Run("group", f)
}

// TestA1A2TreeDeadline is the case that os/exec waits for until the grandchild ends:
// it has the pipe. The leader waits, or has exited long before.
func TestA1A2TreeDeadline(t *testing.T) { eachTree(t, testTreeDeadline) }

func testTreeDeadline(t *testing.T) {
	for name, end := range map[string]string{"leader waits": "wait", "leader exits": "exit 0", "leader fails": "exit 3"} {
		t.Run(name, func(t *testing.T) { testOverdue(t, end, nil) })
	}
}

// testOverdue ends a family whose leader does something in the end.
func testOverdue(t *testing.T, end string, sys *syscall.SysProcAttr) {
	ctx := newOverdue()
	out := &lines{left: 3, full: ctx.end}
	c := exec.CommandContext(ctx, "/bin/sh", "-c", family+end)
	c.Tree, c.SysProcAttr, c.Stdout = true, sys, out
	err := c.Run()
	var exit *exec.ExitError
	if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &exit) {
		t.Errorf("got %v", err)
	}
	mustBeGone(t, strings.Fields(out.String()), 3)
}

// TestA2TreeKill kills a tree whose leader has exited.
func TestA2TreeKill(t *testing.T) { eachTree(t, testTreeKill) }

func testTreeKill(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", family)
	c.Tree = true
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPids(t, out, 3)
	testenv.Eventually(t, "the leader has ended", func() bool { return testenv.IsOver(number(pids[0])) })
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, pids, 3)
	if err := c.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("got %v", err)
	}
}

// TestTreeEnds kills what is left when there is nothing to wait for any more.
func TestTreeEnds(t *testing.T) { eachTree(t, testTreeEnds) }

func testTreeEnds(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", `(sleep 60 >/dev/null 2>&1 & echo $!)`)
	c.Tree = true
	out, err := c.Output()
	if err != nil {
		t.Error(err)
	}
	mustBeGone(t, strings.Fields(string(out)), 1)
}

// TestTreeWaitDelay bounds what is waited for once the leader has ended.
func TestTreeWaitDelay(t *testing.T) { eachTree(t, testTreeWaitDelay) }

func testTreeWaitDelay(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", family)
	c.Tree, c.WaitDelay = true, 100*time.Millisecond
	out, err := c.Output()
	if !errors.Is(err, exec.ErrWaitDelay) {
		t.Errorf("got %v", err)
	}
	mustBeGone(t, strings.Fields(string(out)), 1)
}

// TestTreeCancel gives the tree WaitDelay to end by itself.
func TestTreeCancel(t *testing.T) { eachTree(t, testTreeCancel) }

func testTreeCancel(t *testing.T) {
	ctx := newOverdue()
	out := &lines{left: 1, full: ctx.end}
	c := exec.CommandContext(ctx, "/bin/sh", "-c", `trap "echo bye; exit 4" TERM; echo ready; while :; do sleep 0.05; done`)
	c.Tree, c.WaitDelay, c.Stdout = true, time.Minute, out
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	err := c.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 4 || !errors.Is(err, context.DeadlineExceeded) || out.String() != "ready\nbye\n" {
		t.Errorf("got %q, %v", out, err)
	}
}

// TestTreeInput does not wait for a reader that is blocked for good.
func TestTreeInput(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("true")
	c.Tree = true
	c.Stdin = struct{ *os.File }{r}
	if err := c.Run(); err != nil {
		t.Error(err)
	}
	w.Close()
	time.Sleep(10 * time.Millisecond) // for the goroutine to end
	r.Close()
}

// TestTreeSession takes a tree that leads a session.
func TestTreeSession(t *testing.T) { eachTree(t, testTreeSession) }

func testTreeSession(t *testing.T) { testOverdue(t, "", &syscall.SysProcAttr{Setsid: true}) }

// TestA4TreeEscape is about a process that leaves the process group.
func TestA4TreeEscape(t *testing.T) {
	if !exec.Features().Has(exec.FeatureTreeCgroup) {
		testenv.Skip(t, "no control group can be made")
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c := exec.CommandContext(ctx, "/bin/sh", "-c", family+`setsid sh -c 'echo $$; sleep 60' & wait`)
	c.Tree = true
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPids(t, out, 4)
	cancel()
	if err := c.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	mustBeGone(t, pids, 4)
}

// readPids reads the lines that a family writes.
func readPids(t *testing.T, r io.Reader, n int) (pids []string) {
	t.Helper()
	lines := bufio.NewScanner(r)
	for len(pids) < n && lines.Scan() {
		pids = append(pids, lines.Text())
	}
	return pids
}

// TestMaxOutput stops a program that writes for ever.
func TestMaxOutput(t *testing.T) {
	for _, tree := range []bool{false, true} {
		for _, run := range []func(*exec.Cmd) ([]byte, error){(*exec.Cmd).Output, (*exec.Cmd).CombinedOutput} {
			c := exec.Command("/bin/sh", "-c", "while :; do echo 0123456789; done")
			c.MaxOutput, c.Tree = 1000, tree
			out, err := run(c)
			var exit *exec.ExitError
			if len(out) != 1000 || !errors.Is(err, exec.ErrMaxOutput) || !errors.As(err, &exit) {
				t.Errorf("got %d bytes, %v", len(out), err)
			}
			c = exec.Command("/bin/echo", "12345")
			c.MaxOutput, c.Tree = 6, tree
			if out, err := run(c); err != nil || string(out) != "12345\n" {
				t.Errorf("got %q, %v", out, err)
			}
		}
	}
}
