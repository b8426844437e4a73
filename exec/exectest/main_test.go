package exectest_test

import (
	"fmt"
	"io"
	"os"
	"testing"
	"time"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func TestMain(m *testing.M) {
	_ = exec.Command("true").Run() // it opens what stays open: the null device
	testenv.Main(m, testenv.Leftovers)
}

func init() {
	testenv.RegisterHelper("say", func(args []string) int {
		fmt.Fprint(os.Stdout, args[0])
		fmt.Fprint(os.Stderr, args[1])
		return len(args[2])
	})
	// It leaves a process behind that has its streams, until the end of the input.
	testenv.RegisterHelper("leave", func([]string) int {
		self, _ := os.Executable()
		c := &exec.Cmd{Path: self, Args: testenv.HelperArgs("hold"), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
		if err := c.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return 0
	})
	testenv.RegisterHelper("hold", func([]string) int {
		_, _ = io.Copy(io.Discard, os.Stdin)
		fmt.Print("late")
		return 0
	})
	testenv.RegisterHelper("stay", func([]string) int {
		time.Sleep(time.Hour)
		return 0
	})
}
