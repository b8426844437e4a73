//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// The test binary is the command, where its name is "spawn".
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "spawn" {
		testenv.Exit(exitStatus())
	}
	heed(relayed)
	testenv.Main(m, testenv.FilesAndChildren) // os/exec's children with other ids take away the dumpable flag
}

var (
	_ = testenv.RegisterHelper("args", helperArgs)
	_ = testenv.RegisterHelper("signals", helperSignals)
	_ = testenv.RegisterHelper("memory", helperMemory)
)

// as is the argument with which the test binary is a helper.
func as(name string) string { return testenv.HelperArgs(name)[0] }

// heed lets programs that the tests start heed signals that this process ignores,
// as it does when it is started in the background by a shell.
func heed(signals []os.Signal) {
	for _, sig := range signals {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
}

// helperArgs prints its arguments, one a line, quoted.
func helperArgs(args []string) int {
	for _, a := range args {
		fmt.Printf("%q\n", a)
	}
	return 0
}

// helperSignals prints the signals that it gets, until SIGTERM.
func helperSignals([]string) int {
	c := make(chan os.Signal, 16)
	signal.Notify(c, relayed...)
	fmt.Println("ready", os.Getpid(), os.Getppid())
	for sig := range c {
		fmt.Println(sig)
		if sig == syscall.SIGTERM {
			break
		}
	}
	return 7
}

// helperMemory uses 64 MiB.
func helperMemory([]string) int {
	b := make([]byte, 64<<20)
	for i := 0; i < len(b); i += 1024 {
		b[i] = 1
	}
	return int(b[1])
}

// result is what a run of the command has left.
type result struct {
	status      int
	out, errOut string
}

// spawnCmd is a command line of the test binary as spawn.
func spawnCmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, testenv.Self(t))
	cmd.Args = append([]string{"spawn"}, args...)
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 10 * time.Second // programs that outlive it have its files
	return cmd
}

// finish runs a command to its end.
func finish(t *testing.T, cmd *exec.Cmd) result {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	r := result{shellStatus(cmd.ProcessState), out.String(), errOut.String()}
	if r.status < 0 {
		t.Fatalf("%q: %v; %+v", cmd.Args, cmd.ProcessState, r)
	}
	return r
}

// shellStatus is an end as a shell tells it.
func shellStatus(s *os.ProcessState) int {
	if w := s.Sys().(syscall.WaitStatus); w.Signaled() {
		return statusSignal + int(w.Signal())
	}
	return s.ExitCode()
}

// try runs spawn with the arguments.
func try(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, spawnCmd(t, args...))
}

// inTime runs spawn with --timeout and the arguments, with more time until the program has
// said "ready", which is left out of its output: on a busy machine a start takes long.
func inTime(t *testing.T, args ...string) (r result) {
	t.Helper()
	said := false
	for timeout := 0.5; !said && timeout < testenv.Patience.Seconds(); timeout *= 4 {
		r = try(t, append([]string{"--timeout", fmt.Sprint(timeout)}, args...)...)
		r.out, said = strings.CutPrefix(r.out, "ready")
	}
	if !said {
		t.Errorf("%q: the program was never ready: %+v", args, r)
	}
	return r
}

// must runs spawn and returns the standard output of what has to be a success.
func must(t *testing.T, args ...string) string {
	t.Helper()
	return ok(t, spawnCmd(t, args...))
}

func ok(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	r := finish(t, cmd)
	if r.status != 0 || r.errOut != "" {
		t.Fatalf("%q: %+v", cmd.Args, r)
	}
	return r.out
}

// fails runs spawn and checks the status, and that there is one line about it.
func fails(t *testing.T, status int, args ...string) string {
	t.Helper()
	r := try(t, args...)
	if r.status != status {
		t.Fatalf("%q: status %d, want %d; %+v", args, r.status, status, r)
	}
	if !strings.HasPrefix(r.errOut, "spawn: ") || strings.Count(r.errOut, "\n") != 1 || r.out != "" {
		t.Fatalf("%q: not a line on standard error alone: %+v", args, r)
	}
	return r.errOut
}

func hasEngine() bool { return spawn.Features().Has(spawn.FeatureEngine) }

// needEngine checks, where there is no engine, that a flag is refused.
func needEngine(t *testing.T, args ...string) {
	t.Helper()
	if !hasEngine() {
		fails(t, statusError, append(args, "true")...)
		testenv.Skip(t, "needs the engine")
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, path, text string, perm os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), perm); err != nil {
		t.Fatal(err)
	}
	return path
}
