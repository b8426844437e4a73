//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/safespawn/spawn/internal/testenv"
)

// decoded are the lines of JSON in a text.
func decoded[T any](t *testing.T, text string) (list []T) {
	t.Helper()
	for line := range strings.Lines(text) {
		var v T
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		list = append(list, v)
	}
	return list
}

// told runs spawn with --status-fd 5, and returns what is told there.
func told(t *testing.T, args ...string) (result, []event) {
	t.Helper()
	return toldBy(t, spawnCmd(t, append([]string{"--status-fd", "5"}, args...)...))
}

// toldBy runs a command with --status-fd 5.
func toldBy(t *testing.T, cmd *exec.Cmd) (result, []event) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd.ExtraFiles = []*os.File{null, null, w}
	end := finish(t, cmd)
	w.Close()
	var list []event
	for in := bufio.NewScanner(r); in.Scan(); {
		list = append(list, decoded[event](t, in.Text())...)
	}
	return end, list
}

func TestStatusFD(t *testing.T) {
	r, list := told(t, "sh", "-c", `echo $$ $PPID; (: >&5) 2>/dev/null && echo has it; sleep 0.2; exit 3`)
	var pid, parent int
	if n, _ := fmt.Sscanln(r.out, &pid, &parent); n != 2 || strings.Contains(r.out, "has it") || r.status != 3 || len(list) != 2 {
		t.Fatalf("%+v, %+v", r, list)
	}
	if e := list[0]; e.Event != "started" || e.PID != pid || e.Spawn != parent || e.Program != "sh" || e.Status != nil {
		t.Errorf("%+v", e)
	}
	if e := list[1]; e.Event != "ended" || e.PID != pid || *e.ExitCode != 3 || *e.Status != 3 || e.Wall <= 0 || e.TimedOut || e.Signal != "" {
		t.Errorf("%+v", e)
	}
	if own, err := os.Readlink("/proc/self/ns/mnt"); err == nil && own != fmt.Sprintf("mnt:[%d]", list[0].Namespaces["mnt"]) {
		t.Errorf("in %v, not %s", list[0].Namespaces, own)
	}
	r, list = told(t, "sh", "-c", "kill -9 $$")
	if len(list) != 2 {
		t.Fatalf("%+v, %+v", r, list)
	}
	if e := list[1]; e.Signal != "SIGKILL" || e.ExitCode != nil || *e.Status != r.status || r.status != statusSignal+9 {
		t.Errorf("%+v, %+v", r, e)
	}
	list = nil
	for timeout := 0.1; len(list) < 2 && timeout < 100; timeout *= 4 { // a start may take as long, on a busy machine
		r, list = told(t, "--timeout", fmt.Sprint(timeout), "sleep", "600")
		if len(list) == 0 || r.status != statusTimeout {
			t.Fatalf("%+v, %+v", r, list)
		}
	}
	if e := list[len(list)-1]; len(list) != 2 || e.Signal != "SIGTERM" || *e.Status != statusTimeout || !e.TimedOut {
		t.Errorf("%+v", e)
	}
}

// TestStatusFDTellsFailures wants a line about what was not started, however early.
func TestStatusFDTellsFailures(t *testing.T) {
	for status, line := range map[int][]string{
		statusNotFound: {"no-such-program"},
		statusNotRun:   {"/"},
		statusError:    {"--chdir", "/nonexistent", "true"},
	} {
		r, list := told(t, line...)
		if r.status != status || len(list) != 1 || list[0].Event != "failed" || *list[0].Status != status || !strings.Contains(r.errOut, list[0].Error) {
			t.Errorf("%q: %+v, %+v", line, r, list)
		}
	}
	if _, list := told(t, "--chdir", "/nonexistent", "true"); list[0].Object != "/nonexistent" || hasEngine() && list[0].Step != "chdir" || list[0].Errno != int(syscall.ENOENT) {
		t.Errorf("%+v", list[0])
	}
	fails(t, statusError, "--status-fd", "77", "true")
	fails(t, statusError, "--status-fd", "x", "true")
}

// TestStatusFDWithoutReader wants the program to run all the same.
func TestStatusFDWithoutReader(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	cmd := spawnCmd(t, "--status-fd", "3", "sh", "-c", "echo ran; exit 3")
	cmd.ExtraFiles = []*os.File{w}
	if r := finish(t, cmd); r.status != 3 || r.out != "ran\n" || strings.Count(r.errOut, "\n") != 1 || !strings.HasPrefix(r.errOut, "spawn: --status-fd 3: ") {
		t.Errorf("%+v", r)
	}
}

// TestStatusOnStreamWithoutReader wants no broken pipe to end spawn before the program has
// ended, or before it is said why there is none.
func TestStatusOnStreamWithoutReader(t *testing.T) {
	t.Parallel()
	for _, fd := range []string{"1", "2"} {
		for status, program := range map[int][]string{
			3: {"sh", "-c", "exit 3"}, statusNotFound: {"no-such-program"}, statusNotRun: {"/"}, statusError: {"--chdir", "/nonexistent", "true"},
		} {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			cmd := spawnCmd(t, append([]string{"--status-fd", fd}, program...)...)
			cmd.Stdout, cmd.Stderr = w, w
			_ = cmd.Run() // the state tells
			w.Close()
			if got := shellStatus(cmd.ProcessState); got != status {
				t.Errorf("%s, %q: status %d", fd, program, got)
			}
		}
	}
}

// fullPipe is a pipe that takes no more.
func fullPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = w.Write(make([]byte, 4096))
	}
	return r, w
}

// TestStatusFDFull has a reader that reads nothing: signals are passed on all the same.
func TestStatusFDFull(t *testing.T) {
	r, w := fullPipe(t)
	defer r.Close()
	defer w.Close()
	cmd := spawnCmd(t, "--status-fd", "3", testenv.Self(t), as("signals"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.ExtraFiles = []*os.File{w}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, cmd, out)
	s.send(syscall.SIGUSR2)
	s.expect(syscall.SIGUSR2)
	r.Close()
	s.end()
}

func TestStatsJSON(t *testing.T) {
	r := try(t, "--stats=json", "sh", "-c", "exit 3")
	list := decoded[usageReport](t, r.errOut)
	if r.status != 3 || r.out != "" || len(list) != 1 {
		t.Fatalf("%+v", r)
	}
	if u := list[0]; *u.ExitCode != 3 || u.Wall <= 0 || u.User == nil || u.System == nil || u.MaxRSS <= 0 || u.Voluntary == nil || u.Tree != nil {
		t.Errorf("%+v", u)
	}
	r = try(t, "--stats=json", "--tree", "sh", "-c", "kill -TERM $$")
	if u := decoded[usageReport](t, r.errOut)[0]; u.Signal != "SIGTERM" || u.ExitCode != nil {
		t.Errorf("%+v", u)
	}
	if r := try(t, "--stats=text", "true"); r.status != 0 || !strings.HasPrefix(r.errOut, "wall time") {
		t.Errorf("%+v", r)
	}
	fails(t, statusError, "--stats=xml", "true")
	fails(t, statusError, "--explain=", "true")
}

// TestExplainJSONCgroup has a name that looks as the rest of a note.
func TestExplainJSONCgroup(t *testing.T) {
	needEngine(t, "--cgroup", "/")
	dir := filepath.Join(t.TempDir(), "a; \"b\", in cgroup \x1b\n")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	e := decoded[explanation](t, must(t, "--cgroup", dir, "--explain=json", "true"))[0]
	if slices.Contains(e.Clone.Flags, "CLONE_INTO_CGROUP") != (e.Clone.Cgroup == dir) {
		t.Errorf("%+v", e.Clone)
	}
}

func TestExplainJSON(t *testing.T) {
	out := must(t, "--explain=json", "--setsid", "--stdin", "/dev/null", "sh", "-c", "a & b")
	e := decoded[explanation](t, out)[0]
	if filepath.Base(e.Program) != "sh" || !slices.Equal(e.Args, []string{"sh", "-c", "a & b"}) || !strings.Contains(out, "a & b") || len(e.Features) == 0 {
		t.Errorf("%s", out)
	}
	text := strings.Split(strings.TrimSuffix(must(t, "--explain", "--setsid", "--stdin", "/dev/null", "sh", "-c", "a & b"), "\n"), "\n")
	if strings.Contains(out, ":null") {
		t.Errorf("a list that is empty is not one: %s", out)
	}
	if len(text)-1 != len(e.Steps) {
		t.Errorf("%d steps, and %d lines of text", len(e.Steps), len(text)-1)
	}
	last := e.Steps[len(e.Steps)-1]
	if last.Step != "execve" || last.By != "child" || last.Call != "execve" || last.Args[0].Text != fmt.Sprintf("%q", e.Program) {
		t.Errorf("%+v", last)
	}
	if inherited := e.Attributes[0]; inherited.Name != "InheritIgnored" || len(inherited.Flags) > 0 {
		t.Errorf("%+v", inherited)
	}
	setsid := e.Steps[slices.IndexFunc(e.Steps, func(s stepExplained) bool { return s.Step == "setsid" })]
	if setsid.Part != "attribute" || e.Attributes[*setsid.Index].Name != "Setsid" || !slices.Equal(e.Attributes[*setsid.Index].Flags, []string{"--setsid"}) {
		t.Errorf("%+v, %+v", setsid, e.Attributes)
	}
}

// TestExplainJSONHasAll wants the clone, the id maps and the cgroup, and what attributes need.
func TestExplainJSONHasAll(t *testing.T) {
	needEngine(t, "--new", "user")
	dir := t.TempDir()
	line := []string{"--explain=json", "--new", "user,pid", "--uid-map", "0:1000:5", "--gid-map", "0:1000:5", "--setgroups", "deny", "--sched", "fifo:3"}
	e := decoded[explanation](t, must(t, append(line, "true")...))[0]
	if e.Clone == nil || !slices.Contains(e.Clone.Flags, "CLONE_NEWUSER") || !slices.Contains(e.Clone.Flags, "CLONE_NEWPID") || e.Clone.Cgroup != "" {
		t.Errorf("%+v", e.Clone)
	}
	want := []mapExplained{{"uid_map", "0 1000 5\n", ""}, {"setgroups", "deny", ""}, {"gid_map", "0 1000 5\n", ""}}
	if !slices.Equal(e.Maps, want) {
		t.Errorf("%+v", e.Maps)
	}
	line[0] = "--explain"
	for _, text := range []string{e.Clone.Call + "(", "CLONE_NEWUSER", "/proc/PID/uid_map", `"0 1000 5\n"`} {
		if out := must(t, append(line, "true")...); !strings.Contains(out, text) {
			t.Errorf("no %q in %s", text, out)
		}
	}
	found := map[string]string{}
	for _, a := range e.Attributes {
		for _, n := range a.Needs {
			found[strings.Join(a.Flags, " ")] += n.Linux + "; " + n.Privilege + "; "
		}
	}
	if !strings.Contains(found["--new"], "3.8") || !strings.Contains(found["--new"], "CAP_SYS_ADMIN") || !strings.Contains(found["--sched"], "CAP_SYS_NICE") {
		t.Errorf("%q", found)
	}
	if r := try(t, "--explain=json", "--cgroup", dir, "true"); r.status == 0 {
		if e := decoded[explanation](t, r.out)[0]; e.Clone.Cgroup != "" && e.Clone.Cgroup != dir {
			t.Errorf("%+v", e.Clone)
		}
	}
}
