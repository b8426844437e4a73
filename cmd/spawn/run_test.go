//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestStatusOfProgram(t *testing.T) {
	for _, status := range []int{0, 1, 3, 124, 127, 255} {
		if r := try(t, "sh", "-c", fmt.Sprint("exit ", status)); r.status != status || r.errOut != "" {
			t.Errorf("exit %d: %+v", status, r)
		}
	}
	for sig, script := range map[int]string{9: "kill -9 $$", 15: "kill -15 $$", 6: "kill -6 $$"} {
		if r := try(t, "--rlimit", "core=0", "sh", "-c", script); hasEngine() && r.status != 128+sig {
			t.Errorf("signal %d: %+v", sig, r)
		}
		if r := try(t, "sh", "-c", "ulimit -c 0; "+script); r.status != 128+sig {
			t.Errorf("signal %d: %+v", sig, r)
		}
	}
}

func TestStatusNotFoundAndNotRun(t *testing.T) {
	dir := t.TempDir()
	plain := writeFile(t, filepath.Join(dir, "plain"), "text\n", 0o644)
	noFormat := writeFile(t, filepath.Join(dir, "noformat"), "text\n", 0o755)
	badInterp := writeFile(t, filepath.Join(dir, "badinterp"), "#!/nonexistent/sh\n", 0o755)
	for path, status := range map[string]int{
		"no-such-program":      statusNotFound,
		"":                     statusNotFound,
		"/nonexistent/program": statusNotFound,
		"./program":            statusNotFound,
		plain + "/x":           statusNotFound,
		dir:                    statusNotRun,
		plain:                  statusNotRun,
		noFormat:               statusNotRun,
		badInterp:              statusNotRun,
	} {
		if path == badInterp && !hasEngine() {
			status = statusNotFound // package os does not tell what is missing
		}
		fails(t, status, "--", path)
	}
	fails(t, statusNotFound, "--explain", "no-such-program")
}

// PATH is searched as by env(1).
func TestSearch(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "noexec"), "text\n", 0o644)
	writeFile(t, filepath.Join(dir, "script"), "#!/bin/sh\nexit 5\n", 0o755)
	for _, c := range []struct {
		path, program string
		status        int
	}{
		{dir, "noexec", statusNotRun},
		{dir, "nothing", statusNotFound},
		{dir, "", statusNotFound},
		{".", "script", 5},
		{"", "script", 5},
		{"/nonexistent:", "script", 5},
		{"/nonexistent:.", "noexec", statusNotRun},
		{dir + ":.", "script", 5},
	} {
		cmd := spawnCmd(t, "--", c.program)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+c.path)
		if r := finish(t, cmd); r.status != c.status {
			t.Errorf("%+v: %+v", c, r)
		}
	}
}

// The PATH is that of the program, and where it has none that of execvp(3).
func TestSearchInOwnPath(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "script"), "#!/bin/sh\nexit 5\n", 0o755)
	for _, c := range []struct {
		status int
		line   []string
	}{
		{5, []string{"--env", "PATH=" + dir, "script"}},
		{5, []string{"--chdir", dir, "--env", "PATH=.", "script"}},
		{5, []string{"--chdir", dir, "--env", "PATH=", "script"}},
		{statusNotFound, []string{"--env", "PATH=/nowhere", "true"}},
		{statusNotFound, []string{"--clear-env", "no-such-program"}},
		{0, []string{"--clear-env", "true"}},
		{0, []string{"--unset-env", "PATH", "true"}},
	} {
		if r := try(t, c.line...); r.status != c.status {
			t.Errorf("%q: %+v", c.line, r)
		}
	}
}

// Without the KILL it waits for the program, and not for what that has left.
func TestTimeoutWithoutKill(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{}, {"--tree"}} {
		fifo := filepath.Join(t.TempDir(), "fifo")
		if err := unix.Mkfifo(fifo, 0o600); err != nil {
			t.Fatal(err)
		}
		end, err := os.OpenFile(fifo, os.O_RDWR, 0) // what is left ends with it
		if err != nil {
			t.Fatal(err)
		}
		line := append([]string{"--timeout", "100ms", "--kill-after", "0"}, flags...)
		r := try(t, append(line, "sh", "-c", "(trap '' TERM; exec cat $0 >/dev/null 2>&1) & trap 'exit 3' TERM; while :; do sleep 0.01; done", fifo)...)
		end.Close()
		if r.status != statusTimeout || strings.Contains(r.errOut, "spawn") {
			t.Errorf("%q: %+v", flags, r)
		}
	}
}

// A program that ignores a signal that was passed on is killed, too.
func TestKillAfterSignal(t *testing.T) {
	t.Parallel()
	cmd := spawnCmd(t, "--timeout", "1d", "--kill-after", "50ms", "sh", "-c", "trap '' TERM; echo ready $$ $PPID; exec sleep 600")
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	begin(t, cmd, r)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	sent := time.Now()
	_ = cmd.Wait()
	// After that long the test would have killed it.
	if got, took := shellStatus(cmd.ProcessState), time.Since(sent); got != statusSignal+9 || took >= testenv.Patience/2 {
		t.Errorf("status %d after %v", got, took)
	}
}

func TestTimeout(t *testing.T) {
	begin := time.Now()
	if r := try(t, "--timeout", "200ms", "sleep", "600"); r.status != statusTimeout || r.errOut != "" {
		t.Errorf("got %+v", r)
	}
	if took := time.Since(begin); took < 200*time.Millisecond {
		t.Errorf("over after %v", took)
	}
	if r := try(t, "--timeout", "10m", "sh", "-c", "exit 4"); r.status != 4 {
		t.Errorf("in time: %+v", r)
	}
	// It ignores what can be ignored.
	if r := inTime(t, "--kill-after", "100ms", "sh", "-c", "trap '' TERM INT; printf ready; exec sleep 600"); r.status != statusSignal+9 {
		t.Errorf("got %+v", r)
	}
	// It has time to clean up.
	for sig, flags := range map[string][]string{"TERM": nil, "USR1": {"--stop-signal", "USR1"}} {
		line := append([]string{"--preserve-status"}, flags...)
		r := inTime(t, append(line, "sh", "-c", "trap 'echo clean; exit 3' "+sig+"; printf ready; while :; do sleep 0.01; done")...)
		if r.status != 3 || r.out != "clean\n" {
			t.Errorf("%s: %+v", sig, r)
		}
	}
	if r := inTime(t, "--preserve-status", "--stop-signal", "KILL", "sh", "-c", "printf ready; exec sleep 600"); r.status != statusSignal+9 {
		t.Errorf("got %+v", r)
	}
}

// A FIFO without a writer holds up the child before it runs the program.
func TestTimeoutAndSignalBeforeExec(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A child that is left gets on and ends.
		if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
			f.Close()
		}
	})
	if r := try(t, "--timeout", "200ms", "--stdin", fifo, "cat"); r.status != statusTimeout || r.errOut != "" {
		t.Errorf("timeout: %+v", r)
	}
	if !hasEngine() {
		testenv.Skip(t, "there is no child yet when files are opened")
	}
	cmd := spawnCmd(t, "--stdin", fifo, "cat")
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitStuckChild(t, cmd.Process.Pid)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if status := shellStatus(cmd.ProcessState); status != statusSignal+15 || errOut.Len() > 0 {
		t.Errorf("signal: status %d, %q", status, &errOut)
	}
}

// awaitStuckChild waits for a process to have a child that stays: before, spawn
// has others for an instant, to find out what the kernel gives.
func awaitStuckChild(t *testing.T, pid int) {
	t.Helper()
	last, times := "", 0
	testenv.Eventually(t, "a child that stays", func() bool {
		time.Sleep(20 * time.Millisecond)
		now := ""
		lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
		for _, list := range lists {
			b, _ := os.ReadFile(list) // the thread may have ended
			now += string(b)
		}
		if now == "" || now != last {
			last, times = now, 0
		}
		times++
		return times == 10
	})
}

func TestStats(t *testing.T) {
	r := try(t, "--stats", testenv.Self(t), as("memory"))
	if r.status != 0 || r.out != "" {
		t.Fatalf("got %+v", r)
	}
	lines := strings.Split(strings.TrimSuffix(r.errOut, "\n"), "\n")
	names := []string{"wall time", "user CPU", "system CPU", "peak memory", "context switches"}
	if len(lines) != len(names) {
		t.Fatalf("got %q", lines)
	}
	column := len(lines[4]) - len(strings.TrimLeft(lines[4][len(names[4]):], " "))
	for i, line := range lines {
		if !strings.HasPrefix(line, names[i]+" ") || line[column-1] != ' ' || line[column] < '0' || line[column] > '9' {
			t.Errorf("line %q: want %q, and a number at %d", line, names[i], column)
		}
	}
	var wall, user, system, peak float64
	for i, v := range []*float64{&wall, &user, &system, &peak} {
		if _, err := fmt.Sscan(lines[i][column:], v); err != nil {
			t.Errorf("%q: %v", lines[i], err)
		}
	}
	if wall <= 0 || wall > testenv.Patience.Seconds() || user+system <= 0 || peak < 64 || peak > 1024 {
		t.Errorf("values make no sense: %q", lines)
	}
	// What spawn itself has used is not told as the program's.
	if r := try(t, "--stats", "true"); !strings.Contains(r.errOut, "with spawn's own") {
		t.Errorf("of true: %q", r.errOut)
	}
	if r := try(t, "--stats", "sleep", "0.3"); hasEngine() && !strings.Contains(r.errOut, "MiB or more; ") {
		t.Errorf("of sleep: %q", r.errOut)
	}
	// Where there is much to do, the time may be over before the program runs.
	for _, d := range []string{"100ms", "1s", "10s"} {
		if r = try(t, "--stats", "--timeout", d, "sleep", "600"); r.errOut != "" {
			break
		}
	}
	if r.status != statusTimeout || !strings.Contains(r.errOut, "wall time") {
		t.Errorf("after a timeout: %+v", r)
	}
}

func TestExplain(t *testing.T) {
	cmd := spawnCmd(t, "--explain", "--setsid", "--chdir", "/tmp", "--stdout", "made", "--fd", "4=a\tb\n:r", "sh", "-c", "exit 1")
	lines := strings.Split(strings.TrimSuffix(ok(t, cmd), "\n"), "\n")
	if _, err := os.Stat(filepath.Join(cmd.Dir, "made")); err == nil {
		t.Error("the program was started")
	}
	header := lines[0]
	columns := []int{strings.Index(header, "STEP"), strings.Index(header, "OBJECT"), strings.Index(header, "SYSTEM CALL")}
	var steps []string
	for i, line := range lines[1:] {
		if n := strings.TrimSpace(line[:columns[0]]); n != fmt.Sprint(i+1) {
			t.Errorf("line %q: number %q", line, n)
		}
		for _, c := range columns {
			if line[c-1] != ' ' {
				t.Errorf("line %q: no column at %d", line, c)
			}
		}
		steps = append(steps, strings.TrimSpace(line[columns[0]:columns[1]]))
	}
	all := " " + strings.Join(steps, " ")
	for _, want := range []string{" setsid", " open", " chdir"} {
		if !strings.Contains(all, want) {
			t.Errorf("no%s in %q", want, steps)
		}
	}
	last := lines[len(lines)-1]
	if steps[len(steps)-1] != "execve" || !strings.HasPrefix(last[columns[2]:], "execve(\"/") {
		t.Errorf("last line %q", last)
	}
}

func TestFeatures(t *testing.T) {
	if out := must(t, "--features"); !strings.Contains(out, "engine") || strings.Count(out, "\n") < 1 {
		t.Errorf("got %q", out)
	}
}

func TestVerbose(t *testing.T) {
	r := try(t, "--verbose", "sh", "-c", "exit 3", "secret-argument")
	if r.status != 3 || r.out != "" || !strings.Contains(r.errOut, "spawned") || !strings.Contains(r.errOut, "exit status 3") {
		t.Errorf("got %+v", r)
	}
	if strings.Contains(r.errOut, "secret") {
		t.Errorf("arguments are logged: %q", r.errOut)
	}
}
