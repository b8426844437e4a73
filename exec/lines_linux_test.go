//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestLinesGrandchild leaves the loop early while a grandchild has the pipes.
func TestLinesGrandchild(t *testing.T) {
	for _, tree := range []bool{false, true} {
		c := exec.Command("/bin/sh", "-c", "sleep 60 & echo $!; wait")
		c.Tree = tree
		pid := 0
		for line, err := range c.Lines() {
			if err != nil {
				t.Fatal(err)
			}
			pid = number(line.Text)
			break
		}
		if c.ProcessState == nil {
			t.Error("it is not reaped")
		}
		if !tree {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		} else if !testenv.IsOver(pid) {
			t.Error("the grandchild is alive")
		}
	}
}

// TestStdinTakesNoGoroutine wants none for what fits the pipe.
func TestStdinTakesNoGoroutine(t *testing.T) {
	c := exec.Command("/bin/sleep", "1000")
	in := strings.NewReader(strings.Repeat("x", 4096))
	c.Stdin = in
	before := goroutinesAtRest(t)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if n := in.Len(); n > 0 {
		t.Errorf("%d bytes are left to a goroutine", n)
	}
	testenv.Eventually(t, "no goroutine", func() bool { return runtime.NumGoroutine() <= before })
	if err := c.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = c.Wait() // killed
}

// goroutinesAtRest is how many goroutines there are when those of earlier tests have ended.
func goroutinesAtRest(t *testing.T) (n int) {
	t.Helper()
	testenv.Eventually(t, "the goroutines of earlier tests end", func() bool {
		was := n
		for range 20 {
			time.Sleep(time.Millisecond)
			if n = runtime.NumGoroutine(); n != was {
				return false
			}
		}
		return true
	})
	return n
}
