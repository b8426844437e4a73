package exectest_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec/exectest"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestExitedCodes wants a state with the code, or an error for a code that no process has.
func TestExitedCodes(t *testing.T) {
	if runtime.GOOS == "windows" {
		return // where most codes are those of processes
	}
	for _, code := range []int{0, 1, 255} {
		if s, err := exectest.Exited(7, code); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && s.ExitCode() != code {
			t.Errorf("%d: %v, %v", code, s, err)
		}
	}
	for _, code := range []int{-1, 256, 1 << 20} {
		if s, err := exectest.Exited(7, code); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v, %v", code, s, err)
		}
	}
}

// noSignals are numbers that no signal has.
var noSignals = []syscall.Signal{-1, -127, 127, 128, 128 + 9, 256 + 15, 1 << 20}

// TestSignaledBy wants a state with the signal, or an error for one that can't end a process.
func TestSignaledBy(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGQUIT} {
		s, err := exectest.Signaled(7, sig)
		if err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && (s.Success() || s.Pid() != 7) {
			t.Errorf("%d: %v, %v", sig, s, err)
		}
		if w, ok := stateOf(s); ok && (!w.Signaled() || w.Signal() != sig) {
			t.Errorf("%d: %v", sig, s)
		}
	}
	for _, sig := range append(noSignals, 0) {
		if s, err := exectest.Signaled(7, sig); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%d: %v, %v", sig, s, err)
		}
	}
}

// stateOf is the status of a state, where there are signals.
func stateOf(s *os.ProcessState) (w syscall.WaitStatus, ok bool) {
	if s == nil || runtime.GOOS == "windows" {
		return w, false
	}
	w, ok = s.Sys().(syscall.WaitStatus)
	return w, ok
}

// TestNoSuchEnd has rules of which a real program does nothing.
func TestNoSuchEnd(t *testing.T) {
	for name, r := range map[string]*exectest.Rule{
		"code of a signal": anyArgs().Signal(128 + 9),
		"negative signal":  anyArgs().Signal(-9),
		"code":             anyArgs().Exit(-1),
		"code of Do":       anyArgs().Do(func(*exectest.Run) int { return -1 }),
	} {
		c, _ := command(t, r)
		if err := c.Run(); !errors.Is(err, errors.ErrUnsupported) || c.ProcessState != nil {
			t.Errorf("%s: %v, %v", name, err, c.ProcessState)
		}
	}
	c, _ := command(t, anyArgs().FailStep("clone", nil))
	if err := c.Run(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("FailStep without an error: %v", err)
	}
}

// otherSignal is a signal of nobody's.
type otherSignal struct{}

func (otherSignal) Signal()        {}
func (otherSignal) String() string { return "other" }

// TestNoSuchSignal wants what no process can be sent to be an error, and to end nothing.
func TestNoSuchSignal(t *testing.T) {
	c, f := command(t, anyArgs().After(time.Hour).Trap(otherSignal{}, 3))
	run, err := f.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range noSignals {
		if err := run.Signal(sig); !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%d: %v", sig, err)
		}
	}
	if err := run.Signal(otherSignal{}); err == nil {
		t.Error("a signal of nobody's was sent")
	}
	if err := run.Signal(os.Kill); err != nil {
		t.Error(err)
	}
	state, err := run.Wait()
	if w, ok := stateOf(state); err != nil || ok && w.Signal() != syscall.SIGKILL {
		t.Errorf("%v, %v", state, err)
	}
	if got := f.Calls()[0].Signals; len(got) != 1 {
		t.Errorf("it was sent %v", got)
	}
}

// TestSignalTooLate sends a signal to a program that has ended, and whose output is still being
// written.
func TestSignalTooLate(t *testing.T) {
	begun, end := make(chan struct{}), make(chan struct{})
	c, f := command(t, anyArgs().Do(func(r *exectest.Run) int {
		go r.Stdout.Write([]byte("late"))
		<-begun
		return 3
	}))
	c.Stdout = slow(func() { close(begun); <-end })
	run, err := f.Start(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for run.Signal(syscall.Signal(0)) == nil { // it has not returned
			time.Sleep(time.Millisecond)
		}
		if err := run.Signal(os.Kill); !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("got %v", err)
		}
		close(end)
	}()
	if state, err := run.Wait(); err != nil && !errors.Is(err, errors.ErrUnsupported) || err == nil && state.ExitCode() != 3 {
		t.Errorf("%v, %v", state, err)
	}
}

// slow is a writer that calls a function.
type slow func()

func (f slow) Write(b []byte) (int, error) { f(); return len(b), nil }

// TestReplayOtherOutput wants a file with output to a descriptor that a Cmd has not to be refused.
func TestReplayOtherOutput(t *testing.T) {
	for fd, good := range map[string]bool{"0": false, "1": true, "2": true, "3": false, "-1": false} {
		file := testenv.Write(t, filepath.Join(t.TempDir(), "record"), `[{"args": ["a"], "output": [{"fd": `+fd+`, "text": "x"}]}]`, 0o644)
		if _, err := exectest.Replay(file); (err == nil) != good {
			t.Errorf("%s: %v", fd, err)
		}
	}
}
