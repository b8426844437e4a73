package main

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// withInit is a command line with --init, whoever one is.
func withInit(t *testing.T, flags ...string) []string {
	t.Helper()
	needEngine(t, "--new", "pid", "--init")
	testenv.NeedCall(t, "execveat", unix.SYS_EXECVEAT)
	line := slices.Clip(inside(t, "pid,mount", "--init"))
	if r := try(t, append(line, "true")...); r.status != 0 {
		skipNamespaces(t, line[1], r)
	}
	line = slices.Concat(line, flags)
	if r := try(t, append(line, "true")...); r.status != 0 {
		testenv.Skip(t, "no mounts there: "+r.errOut)
	}
	return slices.Clip(line)
}

// TestInitReaps makes an orphan, without a /proc of the namespace. A zombie could still be
// sent a signal.
func TestInitReaps(t *testing.T) {
	t.Parallel()
	testenv.NeedCall(t, "waitid", unix.SYS_WAITID)
	const orphan = `orphan=$(sh -c 'sleep 0.1 >/dev/null & echo $!'); while kill -0 $orphan 2>/dev/null; do sleep 0.1; done; echo reaped by $PPID`
	if got := must(t, append(withInit(t), "sh", "-c", orphan)...); got != "reaped by 1\n" {
		t.Errorf("got %q", got)
	}
}

// TestInitStatus wants the statuses of the program, its own messages where it does not run,
// and nobody left.
func TestInitStatus(t *testing.T) {
	t.Parallel()
	line := withInit(t)
	for script, want := range map[string]int{"exit 3": 3, "kill -KILL $$": statusSignal + 9, "kill -SEGV $$": statusSignal + 11, "sleep 600 & exit 5": 5} {
		cmd := spawnCmd(t, append(line, "sh", "-c", script)...)
		if r := finish(t, cmd); r.status != want || r.out+r.errOut != "" || !cmd.ProcessState.Exited() {
			t.Errorf("%s: %+v", script, r)
		}
	}
	fails(t, statusNotFound, append(line, "/no/such/program")...)
	fails(t, statusNotRun, append(line, "/etc/passwd")...)
	hash := strings.Fields(must(t, "sh", "-c", "sha256sum $(command -v sh)"))[0]
	must(t, append(line, "--sha256", hash, "sh", "-c", ":")...)
	fails(t, statusError, append(line, "--sha256", strings.Repeat("00", 32), "true")...)
	fails(t, statusError, "--new", "uts", "--init", "true")
	fails(t, statusError, "--new", "pid", "--init", "--exec", "true")
}

// TestInitIsNotFelt wants the program to have what it has without an init.
func TestInitIsNotFelt(t *testing.T) {
	t.Parallel()
	file := writeFile(t, filepath.Join(t.TempDir(), "file"), "text\n", 0o644)
	const show = `echo $0; env | sort; ls /proc/self/fd; cat <&7; umask; nice; ulimit -Sn; ulimit -Hn; pwd; ` +
		`grep -E '^(Sig|Shd|Cap|NoNew|Seccomp:|Uid|Gid|Groups|Cpus)' /proc/self/status`
	line := withInit(t, "--mount-proc", "--chdir", "/")
	if r := try(t, append(line, "true")...); r.status != 0 {
		testenv.Skip(t, "proc can't be mounted here")
	}
	without := slices.DeleteFunc(slices.Clone(line), func(word string) bool { return word == "--init" })
	without = slices.Clip(without)
	own, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the kernel returns what is missing to 20
	if err != nil {
		t.Fatal(err)
	}
	nicer := strconv.Itoa(min(20-own+5, 19))
	for _, flags := range [][]string{
		{"--sig-ignore", "TERM,USR1,40"}, {"--sig-block", "all"}, {"--sig-block", "none", "--sig-default", "all"},
		{"--no-new-privs", "--umask", "27", "--nice", nicer, "--rlimit", "nofile=99", "--caps", "none", "--cpus", "0"},
		{"--clear-env", "--env", "A=b", "--env", "PATH=/usr/bin:/bin"}, {"--argv0", "x"}, {"--setsid"},
	} {
		flags = append(flags, "--fd", "7="+file+":r", "sh", "-c", show)
		want, got := must(t, append(without, flags...)...), must(t, append(line, flags...)...)
		if got != want {
			t.Errorf("%q: got\n%s\nand without an init\n%s", flags, got, want)
		}
	}
}

// TestInitPassesOn sends signals to spawn, from a terminal, too. Each comes once.
func TestInitPassesOn(t *testing.T) {
	line := withInit(t)
	for _, flags := range [][]string{
		line, append(line, "--setsid"), append(line, "--setpgid", "0"), append(line, "--setpgid", "0", "--foreground"), append(line, "--pty"), append(line, "--pty", "--ro-bind", "/", "--tmpfs", "/dev"),
		append([]string{"--setpgid", "0", spawnLink(t)}, line...), // in the background
	} {
		flags = slices.Clip(flags)
		t.Run(fmt.Sprint(flags), func(t *testing.T) { signalsOfTerminal(t, flags) })
	}
	for _, name := range []string{"TERM", "ALRM", "40"} {
		script := "trap 'echo got it; exit 4' " + name + "; printf ready; while :; do sleep 0.02; done"
		flags := append(line, "--stop-signal", name, "--preserve-status", "--kill-after", "0")
		if r := inTime(t, append(flags, "bash", "-c", script)...); r.out != "got it\n" || r.status != 4 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// TestInitEndsBySameSignal is of a signal that has come to spawn.
func TestInitEndsBySameSignal(t *testing.T) {
	t.Parallel()
	cmd := spawnCmd(t, append(withInit(t), "sh", "-c", "echo; exec sleep 600")...)
	in := startedSaying(t, cmd)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, in)
	_ = cmd.Wait() // it ends by a signal
	if w := cmd.ProcessState.Sys().(syscall.WaitStatus); !w.Signaled() || w.Signal() != syscall.SIGTERM {
		t.Errorf("%v", cmd.ProcessState)
	}
}

// TestInitDiesWithSpawn kills spawn. All in the namespace have standard output open.
func TestInitDiesWithSpawn(t *testing.T) {
	t.Parallel()
	for _, flags := range [][]string{{"--die-with-parent"}, {"--parent-death", "KILL"}} {
		line := slices.Concat(withInit(t), flags)
		if r := try(t, append(line, "true")...); r.status != 0 && flags[0] == "--die-with-parent" {
			continue // without a control group it makes a pid namespace, too
		}
		cmd := spawnCmd(t, append(line, "sh", "-c", "sleep 600 & setsid sleep 600 & echo; exec sleep 600")...)
		in := startedSaying(t, cmd)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if rest, err := io.ReadAll(in); len(rest) > 0 || err != nil {
			t.Errorf("%q: %q, %v", flags, rest, err)
		}
		_ = cmd.Wait() // it was killed
	}
}

// TestInitInNewRoot has no file of spawn in the root, but libraries for it.
func TestInitInNewRoot(t *testing.T) {
	t.Parallel()
	line := withInit(t, "--ro-bind", "/usr", "--ro-bind", "/bin", "--ro-bind", "/lib", "--ro-bind", "/lib64", "--chdir", "/")
	run := func(words ...string) result { return try(t, append(line, words...)...) }
	if r := run("sh", "-c", "echo $PPID; ls /; exit 6"); r.status != 6 || r.out != "1\nbin\nlib\nlib64\nusr\n" { // the race detector complains that there is no /proc
		t.Errorf("%+v", r)
	}
	if r := run("/etc/passwd"); r.status != statusNotFound {
		t.Errorf("%+v", r)
	}
}
