package testenv_test

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) {
	if leave := os.Getenv("LEAVE"); leave != "" && leave != "Late" {
		testenv.Hasten()
	}
	testenv.Main(m, testenv.Leftovers)
}

var _ = testenv.RegisterHelper("args", func(args []string) int {
	fmt.Printf("%q", args)
	return len(args)
})

// TestHelper has a helper named by argv[0], and by the first argument.
func TestHelper(t *testing.T) {
	args := testenv.HelperArgs("args", "a b", "")
	for _, cmd := range []*exec.Cmd{
		{Path: testenv.Self(t), Args: args},
		exec.Command(testenv.Self(t), args...),
	} {
		out, _ := cmd.Output()
		if got := string(out); got != `["a b" ""]` || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%q, %v", got, cmd.ProcessState)
		}
	}
}

// TestLeaks runs tests of this package that leave something behind.
func TestLeaks(t *testing.T) {
	for name, what := range map[string]string{
		"File": "fd ", "Child": "a child", "Goroutine": "unexpected goroutine", "Environment": "environment was",
	} {
		if runtime.GOOS != "linux" && name != "Goroutine" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits for what it leaves behind to go away
			cmd := exec.Command(testenv.Self(t), "-test.run=^TestLeave$")
			cmd.Env = append(os.Environ(), "LEAVE="+name)
			out, _ := cmd.CombinedOutput()
			if got := string(out); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(got, "left behind: ") || !strings.Contains(got, what) {
				t.Errorf("%v: %s", cmd.ProcessState, got)
			}
		})
	}
}

// TestLate runs a test whose goroutine ends a little later, as on a busy machine.
func TestLate(t *testing.T) {
	cmd := exec.Command(testenv.Self(t), "-test.run=^TestLeave$")
	cmd.Env = append(os.Environ(), "LEAVE=Late")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// TestPortrait looks after each test, by -portrait.
func TestPortrait(t *testing.T) {
	if runtime.GOOS != "linux" {
		testenv.Skip(t, "needs Linux")
	}
	for name, what := range map[string]string{"File": "descriptor ", "Environment": "environment "} {
		cmd := exec.Command(testenv.Self(t), "-test.run=^TestLeave$", "-portrait")
		cmd.Env = append(os.Environ(), "LEAVE="+name)
		out, _ := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "TestLeave has changed this process: "+what) {
			t.Errorf("%s: %v: %s", name, cmd.ProcessState, out)
		}
	}
}

var left any

// TestLeave leaves something behind where it is told to.
func TestLeave(t *testing.T) {
	switch os.Getenv("LEAVE") {
	case "Skip":
		testenv.Skip(t, "no reason")
	case "File":
		f, err := os.Open(testenv.Self(t))
		if err != nil {
			t.Fatal(err)
		}
		left = f
	case "Child":
		cmd := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("args")}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
	case "Environment":
		os.Setenv("LEFT", "behind")
	case "Goroutine":
		go func() { select {} }()
	case "Late":
		go time.Sleep(time.Second)
	}
}

// TestSkippedAreSummedUp wants a line with -v about what was skipped, and none without.
func TestSkippedAreSummedUp(t *testing.T) {
	for _, flag := range []string{"-test.v", "-test.v=false"} {
		cmd := exec.Command(testenv.Self(t), "-test.run=^TestLeave$", flag)
		cmd.Env = append(os.Environ(), "LEAVE=Skip")
		out, err := cmd.CombinedOutput()
		if err != nil || strings.Contains(string(out), "\nskipped: no reason: TestLeave\n") != (flag == "-test.v") {
			t.Errorf("%s: %v\n%s", flag, err, out)
		}
	}
}
