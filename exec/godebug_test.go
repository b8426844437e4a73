package exec_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("forget a Cmd", func([]string) int {
		forgetCmd()
		testenv.Soon(func() bool { runtime.GC(); return false })
		return 0
	})
	testenv.RegisterHelper("look up by the dot", func([]string) int {
		err := exec.Command("dotted").Err
		fmt.Println(err == nil, errors.Is(err, exec.ErrDot))
		return 0
	})
}

// forgetCmd starts a program and does not wait for it.
func forgetCmd() {
	path, err := os.Executable()
	if err != nil {
		panic(err)
	}
	c := exec.Command(path, testenv.HelperArgs("nothing")...)
	if err := c.Start(); err != nil {
		panic(err)
	}
}

// TestGODEBUGExecwait wants a Cmd that is forgotten without Wait to end its process, as with
// os/exec.
func TestGODEBUGExecwait(t *testing.T) {
	for mode, want := range map[string]string{"1": "leaked without a call to Wait", "2": "exec_test.forgetCmd"} {
		c := helper(t, "forget a Cmd")
		c.Env = append(os.Environ(), "GODEBUG=execwait="+mode)
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(string(out), want) {
			t.Errorf("execwait=%s: %v\n%s", mode, err, out)
		}
	}
}

// TestGODEBUGExecerrdot looks up a program in the working directory.
func TestGODEBUGExecerrdot(t *testing.T) {
	dir, name := t.TempDir(), "dotted"
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	if err := os.WriteFile(filepath.Join(dir, name), nil, 0o755); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]string{"": "false true\n", "execerrdot=0": "true false\n"} {
		c := helper(t, "look up by the dot")
		c.Dir, c.Env = dir, append(os.Environ(), "PATH=.", "GODEBUG="+mode)
		if out, err := c.CombinedOutput(); err != nil || string(out) != want {
			t.Errorf("GODEBUG=%s: %q, %v", mode, out, err)
		}
	}
}
