package exec_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	osexec "os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	register := testenv.RegisterHelper
	register("stay", func([]string) int {
		time.Sleep(time.Hour)
		return 0
	})
	// It leaves a process behind that has the standard output. An argument has it wait.
	register("ancestor", func(args []string) int {
		exe, err := os.Executable()
		if err != nil {
			return status(err)
		}
		c := &osexec.Cmd{Path: exe, Args: testenv.HelperArgs("stay"), Stdout: os.Stdout}
		if err := c.Start(); err != nil {
			return status(err)
		}
		if _, err := os.Stdout.WriteString("ready\n"); err != nil {
			return status(err)
		}
		if len(args) > 0 {
			return status(c.Wait())
		}
		return 0
	})
}

// TestTreeAnywhere kills a child that waits for what it has made, and one that has ended
// before. The end of the output says that all who had it are gone.
func TestTreeAnywhere(t *testing.T) {
	for name, args := range map[string][]string{"waits": {"wait"}, "has ended": nil} {
		t.Run(name, func(t *testing.T) {
			c := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("ancestor", args...), Tree: true}
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			r := bufio.NewReader(out)
			if line, err := r.ReadString('\n'); err != nil || line != "ready\n" {
				t.Fatalf("%q, %v", line, err)
			}
			if err := c.TreeHolds(); err != nil && !errors.Is(err, exec.ErrTreeNotHeld) {
				t.Error(err)
			}
			if err := c.Kill(); err != nil {
				t.Error(err)
			}
			if rest, err := io.ReadAll(r); err != nil || len(rest) > 0 {
				t.Errorf("%q, %v", rest, err)
			}
			var killed *exec.ExitError
			if err := c.Wait(); !errors.As(err, &killed) && (err != nil || args != nil) { // one may be killed at its very end
				t.Errorf("got %v", err)
			}
			if err := c.Kill(); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("nobody is left: %v", err)
			}
		})
	}
}

// TestTreeAnywhereContext ends with its context although the child has ended before.
func TestTreeAnywhereContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := exec.CommandContext(ctx, testenv.Self(t))
	c.Args, c.Tree = testenv.HelperArgs("ancestor"), true
	var out strings.Builder
	c.Stdout = writerFunc(func(p []byte) (int, error) {
		n, err := out.Write(p)
		if strings.HasSuffix(out.String(), "\n") {
			cancel()
		}
		return n, err
	})
	if err := c.Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %q", err, &out)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// TestTreeStrictAnywhere either holds the tree or does not start the child.
func TestTreeStrictAnywhere(t *testing.T) {
	c := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("exit", "0"), TreeStrict: true}
	switch err := c.Run(); {
	case err == nil:
		if err := c.TreeHolds(); err != nil {
			t.Error(err)
		}
	case !errors.Is(err, exec.ErrTreeNotHeld) || c.Process != nil:
		t.Errorf("%v", err)
	}
	if runtime.GOOS == "windows" && c.Process == nil {
		t.Error("no job")
	}
}

// TestTreeAnywhereOfSysProcAttr keeps what SysProcAttr asks for.
func TestTreeAnywhereOfSysProcAttr(t *testing.T) {
	c := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("both"), SysProcAttr: &syscall.SysProcAttr{}, Tree: true}
	out, err := c.Output()
	if err != nil || !strings.HasPrefix(string(out), "out 0\n") {
		t.Errorf("%q, %v", out, err)
	}
}
