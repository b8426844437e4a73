package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("task", helperTask)
	testenv.RegisterHelper("connect", helperConnect)
	if len(os.Args) > 1 && os.Args[1] == "helper:task" {
		runtime.LockOSThread() // some of it is of the thread that execve has left
	}
}

// helperTask prints what /proc does not tell.
func helperTask([]string) int {
	stat, _ := os.ReadFile("/proc/thread-self/stat")
	after := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:])) // from the third field on
	policy, _, _ := unix.Syscall(unix.SYS_SCHED_GETSCHEDULER, 0, 0, 0)
	fmt.Printf("sched:\t%d %s %d\n", policy&0xff, after[40-3], policy>>30&1) // SCHED_RESET_ON_FORK is bit 30
	prio, _, _ := unix.Syscall(unix.SYS_IOPRIO_GET, 1, 0, 0)
	fmt.Printf("ioprio:\t%d %d\n", prio>>13, prio&7)
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	fmt.Printf("securebits:\t%d %v\n", bits, err)
	keys, _ := unix.KeyctlString(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING)
	fmt.Printf("keyring:\t%s\n", keys[strings.LastIndexByte(keys, ';')+1:])
	return 0
}

// helperConnect connects to an address.
func helperConnect(args []string) int {
	c, err := net.Dial("tcp", args[0])
	if err != nil {
		fmt.Println(err)
		return 1
	}
	c.Close()
	return 0
}

// fields are the lines of a text of the form of /proc/PID/status.
func fields(text string) map[string]string {
	m := map[string]string{}
	for line := range strings.Lines(text) {
		if key, value, ok := strings.Cut(line, ":"); ok {
			m[key] = strings.Join(strings.Fields(value), " ")
		}
	}
	return m
}

// statusWith runs spawn with the flags and returns the status of the program.
func statusWith(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	return fields(must(t, append(flags, "cat", "/proc/self/status")...))
}

// taskWith returns what the helper prints, as root or not.
func taskWith(t *testing.T, flags ...string) map[string]string {
	t.Helper()
	return fields(must(t, append(flags, testenv.Self(t), as("task"))...))
}

// same compares some of the fields.
func same(t *testing.T, flags []string, got map[string]string, want map[string]string) {
	t.Helper()
	for key, value := range want {
		if got[key] != value {
			t.Errorf("%q: %s is %q, want %q", flags, key, got[key], value)
		}
	}
}

func TestSignalFlags(t *testing.T) {
	needEngine(t, "--sig-ignore", "HUP")
	spawn := spawnLink(t)
	// The Go runtime of a second spawn leaves these alone.
	ignored := []string{"--sig-ignore", "hup", "--sig-ignore", "SIGINT", "--sig-block", "USR1"}
	for _, c := range []struct {
		flags       []string
		ign, masked string
	}{
		{ignored, "0000000000000003", "0000000000000200"},
		{[]string{"--sig-ignore", "10,USR2,64"}, "8000000000000a00", "0000000000000000"},
		{[]string{"--sig-block", "all"}, "0000000000000000", "fffffffffffbfeff"}, // without KILL and STOP
		{append(ignored, spawn, "--sig-block", "none"), "0000000000000003", "0000000000000000"},
		{append(ignored, spawn, "--sig-default", "INT"), "0000000000000001", "0000000000000200"},
		{append(ignored, spawn, "--sig-default", "all"), "0000000000000000", "0000000000000200"},
	} {
		same(t, c.flags, statusWith(t, c.flags...), map[string]string{"SigIgn": c.ign, "SigBlk": c.masked})
	}
	for _, flags := range [][]string{{"--sig-ignore", "KILL"}, {"--sig-default", "HUP", "--sig-ignore", "HUP"}} {
		fails(t, statusError, append(flags, "true")...)
	}
}

func TestSetpgid(t *testing.T) {
	// Fields 5 and 6 of stat(5) are group and session.
	const script = `read -r pid comm state ppid pgrp session rest </proc/$$/stat; echo $((pgrp == $$)) $((session == $$))`
	for flags, want := range map[string]string{"--setpgid=0": "1 0\n", "--setsid": "1 1\n", "--unset-env=NOTHING": "0 0\n"} {
		if got := must(t, flags, "sh", "-c", script); got != want {
			t.Errorf("%s: got %q, want %q", flags, got, want)
		}
	}
	fails(t, statusError, "--setpgid", "0", "--setsid", "true")
}

// TestParentDeath kills spawn, which sends the program what it was told to.
func TestParentDeath(t *testing.T) {
	needEngine(t, "--parent-death", "TERM")
	cmd := spawnCmd(t, "--parent-death", "TERM", testenv.Self(t), as("signals"))
	cmd.Stderr = new(bytes.Buffer)
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, cmd, r)
	s.send(syscall.SIGKILL)
	if got := s.next(); got != syscall.SIGTERM.String() {
		t.Errorf("got %q", got)
	}
	_ = cmd.Wait()
}

func TestSubreaper(t *testing.T) {
	needEngine(t, "--subreaper")
	const script = `mkfifo f g; sh -c 'sh -c "read x <f; cut -d\" \" -f4 /proc/\$\$/stat >g" &'; echo $$; echo go >f; cat g`
	lines := strings.Fields(must(t, "--subreaper", "sh", "-c", script))
	if len(lines) != 2 || lines[0] != lines[1] {
		t.Errorf("program and parent of the orphan: %q", lines)
	}
}

func TestTerminalFlags(t *testing.T) {
	needEngine(t, "--detach-tty")
	run := func(flags ...string) result {
		master, slave := openPTY(t)
		defer master.Close()
		defer slave.Close()
		cmd := spawnCmd(t, flags...)
		cmd.Stdin = slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		return finish(t, cmd)
	}
	has := []string{"sh", "-c", "(: </dev/tty) 2>/dev/null && echo yes || echo no"}
	// Field 8 of stat(5) is the group in the foreground; read needs it to be one's own.
	const front = `read -r pid comm state ppid pgrp session tty front rest </proc/$$/stat; [ "$front" = $$ ] && echo yes || echo no`
	const after = `"$0" "$@"; read -r pid comm state ppid pgrp session tty front rest </proc/$$/stat; [ "$front" = "$pgrp" ] && echo yes || echo no`
	spawn := spawnLink(t)
	for _, c := range []struct {
		line []string
		want string
	}{
		{has, "yes\n"},
		{append([]string{"--detach-tty"}, has...), "no\n"},
		{append([]string{"--setsid"}, has...), "no\n"},
		{[]string{"--setpgid", "0", "sh", "-c", front}, "no\n"},
		{[]string{"--setpgid", "0", "--foreground", "sh", "-c", front}, "yes\n"},
		{[]string{"sh", "-c", after, spawn, "--setpgid", "0", "--foreground", "true"}, "yes\n"},
	} {
		if r := run(c.line...); r.status != 0 || r.out != c.want {
			t.Errorf("%q: %+v, want %q", c.line, r, c.want)
		}
	}
	// A new session gets the terminal if nobody has it.
	master, slave := openPTY(t)
	defer master.Close()
	defer slave.Close()
	cmd := spawnCmd(t, append([]string{"--setsid", "--ctty", "0"}, has...)...)
	cmd.Stdin = slave
	if got := ok(t, cmd); got != "yes\n" {
		t.Errorf("--ctty: got %q", got)
	}
	fails(t, statusError, "--foreground", "true")
}

func TestSchedFlags(t *testing.T) {
	needEngine(t, "--sched", "batch")
	cpu, _, _ := strings.Cut(fields(readFile(t, "/proc/self/status"))["Cpus_allowed_list"], ",")
	cpu, _, _ = strings.Cut(cpu, "-")
	flags := []string{"--sched", "batch", "--ioprio", "best-effort:6", "--cpus", cpu, "--nice", "19"}
	same(t, flags, taskWith(t, flags...), map[string]string{"sched": "3 0 0", "ioprio": "2 6"})
	same(t, flags, statusWith(t, flags...), map[string]string{"Cpus_allowed_list": cpu})
	same(t, nil, taskWith(t, "--sched", "idle", "--ioprio", "3", "--reset-on-fork"), map[string]string{"sched": "5 0 1", "ioprio": "3 0"})
	if got := must(t, "--timer-slack", "3ms", "cat", "/proc/self/timerslack_ns"); got != "3000000\n" {
		t.Errorf("--timer-slack: %q", got)
	}
	switch _, err := os.Stat("/proc/self/numa_maps"); {
	case testenv.Lacks(unix.SYS_SET_MEMPOLICY):
		fails(t, statusError, "--numa", "bind+static:0", "true")
	case err == nil:
		if got := must(t, "--numa", "bind+static:0", "cat", "/proc/self/numa_maps"); !strings.Contains(got, " bind=static:0 ") {
			t.Errorf("--numa: %q", got)
		}
	}
	// Not every kernel has these.
	for _, flags := range [][]string{{"--core-sched"}, {"--sched", "other", "--util", "1:1024"}} {
		if r := try(t, append(flags, "true")...); r.status != 0 {
			fails(t, statusError, append(flags, "true")...)
		}
	}
	for _, flags := range [][]string{{"--util", "0:1"}, {"--reset-on-fork"}, {"--numa", "bind"}, {"--numa", "default:0"}} {
		fails(t, statusError, append(flags, "true")...)
	}
	if os.Geteuid() != 0 {
		fails(t, statusError, "--sched", "deadline:1ms/10ms", "true")
		return
	}
	if r := try(t, "--sched", "rr:7", testenv.Self(t), as("task")); r.status == 0 { // a cgroup may have no share
		same(t, nil, fields(r.out), map[string]string{"sched": "2 7 0"})
	}
}

func TestLimitFlags(t *testing.T) {
	needEngine(t, "--oom-score-adj", "1")
	if got := must(t, "--oom-score-adj", "1000", "cat", "/proc/self/oom_score_adj"); got != "1000\n" {
		t.Errorf("--oom-score-adj: %q", got)
	}
	// Go raises the soft limit of the second spawn for itself.
	for value, test := range map[string]string{"core=0": "-eq 50", "nofile=original": "-eq 50", "nofile=current": "-gt 50", "nofile=hard": "-eq 60"} {
		must(t, "--rlimit", "nofile=50:60", spawnLink(t), "--rlimit", value, "sh", "-c", "[ $(ulimit -Sn) "+test+" ]")
	}
	must(t, "--rlimit", "stack=8M:16M", spawnLink(t), "--rlimit", "stack=hard", "sh", "-c", "[ $(ulimit -Ss) = $(ulimit -Hs) ]")
	fails(t, statusError, "--rlimit", "nofile=hard", "--rlimit", "nofile=9", "true")
	if os.Geteuid() != 0 {
		fails(t, statusError, "--oom-score-adj", "-1000", "true")
	}
}

// spawnLink is a name under which the test binary is the command.
func spawnLink(t *testing.T) string {
	t.Helper()
	link := filepath.Join(t.TempDir(), "spawn")
	if err := os.Symlink(testenv.Self(t), link); err != nil {
		t.Fatal(err)
	}
	return link
}
