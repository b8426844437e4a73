//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
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
)

// The test binary is the command, where its name is "spawn", and a program for
// the command to run, where its first argument is one of these.
var helpers = map[string]func(args []string) int{
	"helper:args":    helperArgs,
	"helper:signals": helperSignals,
	"helper:memory":  helperMemory,
}

func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "spawn" {
		main()
	}
	if len(os.Args) > 1 {
		if f := helpers[os.Args[1]]; f != nil {
			os.Exit(f(os.Args[2:]))
		}
	}
	flag.Parse()
	// With the race detector each run of the command would take a second more.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	heed(relayed)
	os.Exit(m.Run())
}

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

const patience = 2 * time.Minute

// result is what a run of the command has left.
type result struct {
	status      int
	out, errOut string
}

// spawnCmd is a command line of the test binary as spawn.
func spawnCmd(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self(t))
	cmd.Args = append([]string{"spawn"}, args...)
	cmd.Dir = t.TempDir()
	cmd.WaitDelay = 10 * time.Second // programs that outlive it have its files
	return cmd
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
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
	r := result{cmd.ProcessState.ExitCode(), out.String(), errOut.String()}
	if r.status < 0 {
		t.Fatalf("%q: %v; %+v", cmd.Args, cmd.ProcessState, r)
	}
	return r
}

// try runs spawn with the arguments.
func try(t *testing.T, args ...string) result {
	t.Helper()
	return finish(t, spawnCmd(t, args...))
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

// skip is the one place where tests are skipped.
func skip(t *testing.T, reason string) {
	t.Helper()
	t.Skip("SKIPPED: " + reason)
}

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		skip(t, "needs root")
	}
}

func hasEngine() bool { return spawn.Features().Has("engine") }

// needEngine checks, where there is no engine, that a flag is refused.
func needEngine(t *testing.T, args ...string) {
	t.Helper()
	if !hasEngine() {
		fails(t, statusError, append(args, "true")...)
		skip(t, "needs the engine")
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
