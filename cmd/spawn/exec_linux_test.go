package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

var _ = testenv.RegisterHelper("painted", helperPainted)

// helperPainted prints all that it knows of itself, in the first thread.
func helperPainted([]string) int {
	p, err := testenv.TakePortrait()
	if p == nil {
		return testenv.Status(err)
	}
	for name, option := range map[string]int{"write and execute": unix.PR_GET_MDWE, "merged pages": unix.PR_GET_MEMORY_MERGE, "huge pages": unix.PR_GET_THP_DISABLE} {
		n, err := unix.PrctlRetInt(option, 0, 0, 0, 0)
		p[name] = fmt.Sprint(n, err)
	}
	sched, err := unix.SchedGetAttr(0, 0)
	p["policy"] = fmt.Sprintf("%+v %v", sched, err)
	policy, _, errno := unix.Syscall6(unix.SYS_GET_MEMPOLICY, 0, 0, 0, 0, 0, 0)
	p["memory policy"] = fmt.Sprint(policy, errno)
	_, err = os.ReadDir("/etc")
	p["Landlock"] = fmt.Sprint(err)
	keys, _ := unix.KeyctlString(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING)
	p["session keyring"] = keys[strings.LastIndexByte(keys, ';')+1:]
	p["name"] = os.Args[0]
	p["ns/time"], _ = os.Readlink("/proc/self/ns/time")
	offsets, _ := os.ReadFile("/proc/self/timens_offsets")
	p["offsets"] = string(offsets)
	mounts, _ := os.ReadFile("/proc/self/mounts")
	p["mounts"] = string(mounts)
	p["self"], p["group"] = fmt.Sprint(os.Getpid()), fmt.Sprint(unix.Getpgrp())
	return testenv.Status(json.NewEncoder(os.Stdout).Encode(p))
}

// painted is what the helper prints, without what is another's in each process.
func painted(t *testing.T, text string) testenv.Portrait {
	t.Helper()
	var p testenv.Portrait
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	for name, value := range p {
		switch _, isNS := strings.CutPrefix(name, "ns/"); {
		case isNS:
			here, _ := os.Readlink("/proc/self/" + name)
			p[name] = fmt.Sprint("that of the tests: ", value == here)
		case strings.HasPrefix(name, "descriptor "), name == "scheduling", strings.HasPrefix(name, "status NS"):
			value = pipeNumber.ReplaceAllString(value, "pipe")
			p[name] = wholeNumber(p["group"]).ReplaceAllString(wholeNumber(p["self"]).ReplaceAllString(value, "PID"), "GROUP")
		}
	}
	p["group"] = fmt.Sprint("its own: ", p["group"] == p["self"])
	for _, name := range []string{"self", "status Pid", "status Tgid", "status PPid"} {
		delete(p, name)
	}
	return p
}

// wholeNumber matches a number that is not a part of another.
func wholeNumber(n string) *regexp.Regexp { return regexp.MustCompile(`\b` + n + `\b`) }

// TestPortraitOfEachPID wants the PID 10000 not to be found in the flags of a descriptor.
func TestPortraitOfEachPID(t *testing.T) {
	p := painted(t, `{"self": "10000", "group": "1000", "descriptor 0": "/proc/10000/x\nflags:\t0100000\n", "status NSpid": "10000\t1"}`)
	if p["descriptor 0"] != "/proc/PID/x\nflags:\t0100000\n" || p["status NSpid"] != "PID\t1" {
		t.Error(p)
	}
}

// pipeNumber is the number of a pipe, which each run has of its own.
var pipeNumber = regexp.MustCompile(`pipe:\[\d+\]`)

// sameAsChild are lines of flags that work with --exec.
func sameAsChild(t *testing.T, program string) [][]string {
	filter := writeFile(t, filepath.Join(t.TempDir(), "filter"), string(allowAll()), 0o644)
	cgroup := "/sys/fs/cgroup"
	if os.Geteuid() == 0 {
		dir, _ := testenv.NewCgroup(t)
		cgroup = dir.Name()
	}
	sum, err := exec.Command("sha256sum", program).Output()
	if err != nil {
		testenv.Skip(t, "no sha256sum")
	}
	return [][]string{
		{"--umask", "77"}, {"--setsid"}, {"--setpgid", "0"}, {"--sig-default", "HUP"}, {"--sig-ignore", "INT,USR1"}, {"--sig-block", "USR2"},
		{"--parent-death", "TERM"}, {"--parent-death", "TERM", "--user", "21:22", "--groups", "none"}, {"--subreaper"},
		{"--setsid", "--ctty", "0"}, {"--detach-tty"}, {"--nice", "7"}, {"--add-nice", "1"}, {"--sched", "batch"}, {"--sched", "idle", "--reset-on-fork"},
		{"--sched", "other", "--util", "1:1024"}, {"--sched", "fifo:3"}, {"--cpus", "0"}, {"--ioprio", "best-effort:6"}, {"--timer-slack", "3ms"},
		{"--numa", "bind:0"}, {"--core-sched"}, {"--rlimit", "core=0"}, {"--rlimit", "nofile=50:60"}, {"--rlimit", "nproc=hard"},
		{"--rlimit", "nofile=original"}, {"--oom-score-adj", "500"}, {"--oom-score-adj", "500", "--user", "21:22"}, {"--coredump-filter", "none"},
		{"--user", "21:22", "--groups", "23"}, {"--ruid", "21", "--keep-groups"}, {"--euid", "21", "--rgid", "22", "--egid", "23", "--groups", "none"}, {"--reset-ids"}, {"--cap-ambient", "kill"},
		{"--user", "21:22", "--cap-ambient", "chown"}, {"--caps", "kill"}, {"--cap-effective", "kill", "--cap-permitted", "kill", "--cap-inheritable", "kill"}, {"--cap-bounding", "chown,kill"}, {"--securebits", "noroot"},
		{"--no-new-privs"}, {"--seccomp", filter, "--seccomp-log", "--no-new-privs"}, {"--allow-read", "/usr", "--allow-read", "/proc", "--allow-exec", "/", "--no-new-privs"},
		{"--landlock", "--allow-read", "/", "--allow-write", "/", "--allow-exec", "/", "--allow-bind", "1", "--allow-connect", "2", "--allow-udp-bind", "3",
			"--allow-udp-connect", "4", "--allow-unix", "/", "--landlock-log", "--landlock-quiet", "/", "--landlock-best-effort", "--no-new-privs"},
		{"--allow-read", "/", "--allow-exec", "/", "--allow-tcp", "--deny-udp", "--deny-pathname-unix", "--deny-signals", "--deny-abstract-unix", "--landlock-best-effort", "--no-new-privs"},
		{"--no-aslr"}, {"--personality", "8000000"}, {"--keyring", "k"}, {"--deny-write-exec"}, {"--no-huge-pages"}, {"--merge-pages"}, {"--selinux-context", "none"},
		{"--apparmor-profile", "no-such-profile"}, {"--sha256", string(sum[:64])}, {"--new", "mount,net,ipc,uts"}, {"--new", "net", "--loopback"}, {"--unshare", "uts,fs,files,sysvsem"},
		{"--new", "uts", "--hostname", "a", "--domainname", "b"}, {"--join", "net=/proc/self/ns/net"}, {"--join", fmt.Sprint(os.Getpid()) + ":uts,mount,ipc"},
		{"--cgroup", cgroup}, {"--cgroup", cgroup, "--new", "cgroup"}, {"--chroot", "/"}, {"--new", "mount", "--mount", "type=tmpfs,target=/mnt,size=4k"},
		{"--new", "mount", "--mount", "rbind,source=/,target=/mnt", "--pivot-root", "/mnt"},
		{"--new", "mount", "--ro-bind", "/", "--dev-bind", "/dev", "--tmpfs", "/mnt", "--dir", "/mnt/x"}, {"--new", "time"}, {"--new", "time,uts", "--boottime", "1h"}, {"--unshare", "time", "--monotonic", "1h"}, {"--new", "mount", "--bind", "/", "--tmpfs", "/mnt", "--symlink", "x:/mnt/y"}, {"--new", "mount", "--ro-bind", "/", "--proc", "/proc", "--dev", "/dev"}, {"--mount-proc"}, {"--reset-env"},
		{"--stdin", "/dev/null", "--stderr", "stdout"}, {"--fd", "7=/dev/null:r"}, {"--keep-fd", "0"}, {"--chdir", "/"}, {"--env", "A=b"},
		{"--clear-env", "--env", "B=c"}, {"--unset-env", "PATH"}, {"--argv0", "x"}, {"--stderr", "/dev/null", "--append"}, {"--stdout", "/nonexistent/file"}, {"--user", "nobody", "--user-env"}, {"--stderr", "/nonexistent/file"}, {"--chdir", "/nonexistent"},
	}
}

// notWithExec are the attributes that --exec refuses.
var notWithExec = map[string]bool{
	"DieWithParent": true, "Foreground": true, "IDMap": true, "Ptrace": true, "StartSuspended": true,
}

// needExec skips what --exec does, and checks that it is refused, where the thread can have no
// table of its own.
func needExec(t *testing.T) {
	t.Helper()
	needEngine(t, "--exec")
	if testenv.LacksOwnTable() {
		fails(t, statusError, "--exec", "true")
		testenv.Skip(t, "neither unshare nor close_range")
	}
}

// TestExecIsTheSame wants a program to have with --exec what it has without, or neither to
// work. All attributes are tried.
func TestExecIsTheSame(t *testing.T) {
	needExec(t)
	binary := publicCopy(t) // for other users, too
	program := filepath.Join(filepath.Dir(binary), "painter")
	if err := os.Link(binary, program); err != nil {
		t.Fatal(err)
	}
	t.Parallel() // not before: a child of another test would hold the copy open for writing
	tried, worked := map[string]bool{}, 0
	for _, flags := range sameAsChild(t, program) {
		o, _, err := parse(append(flags[:len(flags):len(flags)], "true"))
		if err != nil {
			t.Fatal(err)
		}
		list, err := o.attributes()
		o.close()
		if err == nil {
			for _, a := range list {
				tried[reflect.TypeOf(a).Name()] = true
			}
		}
		var terminal *os.File // of both, so that it has one number
		if o.ctty != nil || o.detachTTY {
			_, terminal = openPTY(t)
		}
		run := func(more ...string) result {
			cmd := spawnCmd(t, append(append(more, flags...), program, as("painted"))...)
			cmd.Dir = "/tmp"
			if terminal != nil {
				cmd.Args = append([]string{"sh", "-c", `"$0" "$@"; exit $?`, spawnLink(t)}, cmd.Args[1:]...) // which leads the session
				cmd.Path, cmd.Stdin, cmd.SysProcAttr = "/bin/sh", terminal, &syscall.SysProcAttr{Setsid: o.detachTTY, Setctty: o.detachTTY}
			}
			return finish(t, cmd)
		}
		child, self := run(), run("--exec")
		switch {
		case flags[0] == "--new" && flags[1] == "time" && !spawn.Features().Has(spawn.FeatureClone3):
			// A child needs clone3 for it where no clock is set, and this process unshare.
			if child.status != statusError {
				t.Errorf("%q: %+v", flags, child)
			}
		case child.status != self.status:
			t.Errorf("%q: %+v, and with --exec %+v", flags, child, self)
		case child.status != 0 && strings.Count(self.errOut, "\n") != 1:
			t.Errorf("%q: not a line: %+v", flags, self)
		case child.status == 0:
			worked++
			for _, c := range painted(t, child.out).Changes(painted(t, self.out)) {
				t.Errorf("%q: %s", flags, c)
			}
		}
	}
	if least := 25; worked < least {
		t.Errorf("only %d of the lines work", worked)
	}
	t.Logf("%d lines work", worked)
	names, err := attrnames.In("../../attr")
	if err != nil {
		t.Fatal(err)
	}
	tried["Landlock"] = tried["Landlock"] || !spawn.Features().Has(spawn.FeatureLandlock) // then the flags are refused
	for _, name := range names {
		if !tried[name] && !notWithExec[name] && testenv.HasCap(unix.CAP_SYS_ADMIN) {
			t.Errorf("attr.%s was not tried", name)
		}
	}
}

// refusedByExec are lines of flags that need a child or its parent.
var refusedByExec = [][]string{
	{"--timeout", "1"}, {"--timeout", "1", "--stop-signal", "INT"}, {"--timeout", "1", "--kill-after", "1"}, {"--timeout", "1", "--preserve-status"},
	{"--pidfile", "f"}, {"--stats"}, {"--status-fd", "1"}, {"--progress"}, {"--pty"}, {"--verbose"}, {"--nice", "1", "--optional", "nice"},
	{"--setpgid", "0", "--foreground"}, {"--stopped"}, {"--new", "uts", "--persist", "uts=/f"}, {"--die-with-parent"}, {"--init", "--new", "pid"},
	{"--tree"}, {"--tree-strict"}, {"--limit-memory", "1G"}, {"--limit-swap", "1G"}, {"--limit-procs", "9"}, {"--limit-cpu", "0.5"}, {"--io-weight", "9"}, {"--oom-group"},
	{"--new", "user", "--map-root"}, {"--map-self", "--new", "user"}, {"--map-auto", "--new", "user"}, {"--uid-map", "0:0:1", "--setgroups", "deny"}, {"--gid-map", "0:0:1", "--map-helpers"},
	{"--new", "user"}, {"--unshare", "user"}, {"--new", "pid"},
}

// TestExecRefuses wants an error for them that names the flag.
func TestExecRefuses(t *testing.T) {
	check := func(words string, flags []string) {
		line := append([]string{"--exec"}, flags...)
		r := try(t, append(line, "echo", "ran")...)
		said := strings.Contains(r.errOut, words) || !hasEngine()
		if r.status != statusError || !said || strings.Count(r.errOut, "\n") != 1 || strings.Contains(r.out, "ran") {
			t.Errorf("%q: %+v", flags, r)
		}
	}
	for _, flags := range refusedByExec {
		check("--exec: contradicts --", flags)
	}
	check("without a child", []string{"--join", "user=/proc/self/ns/user"}) // only the file says of which kind it is
}

// TestExecWithEachFlag wants to know of each flag that it works with --exec or is refused.
func TestExecWithEachFlag(t *testing.T) {
	known := []string{"exec", "explain", "dump"} // these run no program
	for _, flags := range slices.Concat(sameAsChild(t, "/bin/sh"), refusedByExec) {
		for _, word := range flags {
			if name, is := strings.CutPrefix(word, "--"); is {
				known = append(known, name)
			}
		}
	}
	for _, f := range (&options{}).flags() {
		if groupOf(f) != "Spawn itself" && !slices.Contains(known, f.Name) {
			t.Errorf("--%s is in no line", f.Name)
		}
	}
}

// TestExecKeepsThePid runs the command in the place of a shell, as with env(1): nobody is
// between the caller and the program, which has one thread.
func TestExecKeepsThePid(t *testing.T) {
	needExec(t)
	const script = `echo $$; exec "$0" --exec --nice 3 sh -c 'echo $$; grep Threads /proc/$$/status; cut -d" " -f4 /proc/$$/stat'`
	cmd := exec.Command("sh", "-c", script, spawnLink(t))
	lines := strings.Fields(ok(t, cmd))
	pid := fmt.Sprint(cmd.Process.Pid)
	if want := []string{pid, pid, "Threads:", "1", fmt.Sprint(os.Getpid())}; !reflect.DeepEqual(lines, want) {
		t.Errorf("%q, want %q", lines, want)
	}
}

// TestExecParentDeath kills the parent of the command, which is the program's.
func TestExecParentDeath(t *testing.T) {
	needExec(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd := exec.Command("sh", "-c", `"$0" --exec --parent-death TERM "$1" "$2"; exit 5`, spawnLink(t), testenv.Self(t), as("signals"))
	cmd.Stdout = w
	s := begin(t, cmd, r)
	w.Close()
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if got := s.next(); got != syscall.SIGTERM.String() {
		t.Errorf("got %q", got)
	}
	_ = cmd.Wait()
}

// TestExecHasNoOtherFiles opens more files than it should before the command.
func TestExecHasNoOtherFiles(t *testing.T) {
	needExec(t)
	script := `exec 7</dev/null 9>/dev/null; exec "$0" --exec sh -c 'ls /proc/$$/fd; :'`
	if got := ok(t, exec.Command("sh", "-c", script, spawnLink(t))); got != "0\n1\n2\n" {
		t.Errorf("%q", got)
	}
}

// TestExecFails wants one message and the status of the wrapper's kind, whatever the
// thread has become by then.
func TestExecFails(t *testing.T) {
	needExec(t)
	dir := testenv.PublicDir(t)
	noInterp := writeFile(t, filepath.Join(dir, "script"), "#!/nonexistent/interpreter\n", 0o755)
	onlyExec := writeFile(t, filepath.Join(dir, "filter"), string(killButExecve(t)), 0o644)
	for _, c := range []struct {
		status int
		line   []string
	}{
		{statusNotFound, []string{"no-such-program"}},
		{statusNotFound, []string{"/nonexistent/program"}},
		{statusNotRun, []string{"/etc/passwd"}},
		{statusNotRun, []string{noInterp}},
		{statusNotRun, []string{"--no-new-privs", "--seccomp", onlyExec, noInterp}},
		{statusNotRun, []string{"--rlimit", "nofile=0:99", "--rlimit", "nproc=0:99", "--rlimit", "as=1M:1G", "--rlimit", "stack=64k", noInterp}},
		{statusNotRun, []string{"--nice", "19", "--sched", "idle", "--cpus", "0", "--setpgid", "0", "--sig-ignore", "TERM", "--sig-block", "all", noInterp}},
		{statusError, []string{"--chdir", "/nonexistent", "true"}},
		{statusError, []string{"--stdin", "/nonexistent", "true"}},
		{statusError, []string{"--chroot", "/nonexistent", "true"}},
	} {
		fails(t, c.status, append([]string{"--exec"}, c.line...)...)
	}
	if os.Geteuid() == 0 {
		fails(t, statusNotRun, "--exec", "--user", "21:22", "--groups", "none", "--caps", "none", "--sched", "fifo:1", "--cpus", "0", noInterp)
	}
	// The leader of a group, as a job of a shell is.
	cmd := spawnCmd(t, "--exec", "--setsid", "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if r := finish(t, cmd); r.status != statusError || !strings.Contains(r.errOut, "leads a process group") {
		t.Errorf("%+v", r)
	}
}

// killButExecve is a filter that kills the process for any call but those that the library wants.
func killButExecve(t *testing.T) []byte {
	var b []byte
	for _, x := range []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 2, K: unix.SYS_EXECVE},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_EXIT_GROUP},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_KILL_PROCESS},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	} {
		var err error
		if b, err = binary.Append(b, binary.NativeEndian, x); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// TestExecInContainers has a filter refuse unshare, as that of a container does, and then
// also the other call by which a thread gets a table of its own.
func TestExecInContainers(t *testing.T) {
	needEngine(t, "--exec")
	for _, refused := range [][]uint32{{unix.SYS_UNSHARE}, {unix.SYS_CLOSE_RANGE}, {unix.SYS_UNSHARE, unix.SYS_CLOSE_RANGE}} {
		neither := true // of the two calls is left
		for _, nr := range []uint32{unix.SYS_UNSHARE, unix.SYS_CLOSE_RANGE} {
			neither = neither && (slices.Contains(refused, nr) || testenv.Lacks(uintptr(nr)))
		}
		filter := []attr.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}}
		for _, nr := range refused {
			filter = append(filter, attr.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: nr},
				attr.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)})
		}
		filter = append(filter, attr.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
		b, err := binary.Append(nil, binary.NativeEndian, filter)
		if err != nil {
			t.Fatal(err)
		}
		path := writeFile(t, filepath.Join(t.TempDir(), "filter"), string(b), 0o644)
		line := []string{"--no-new-privs", "--seccomp", path, spawnLink(t), "--exec", "--chdir", "/", "sh", "-c", "pwd; ls /proc/$$/fd; :"}
		if neither {
			fails(t, statusError, line...)
		} else if got := must(t, line...); got != "/\n0\n1\n2\n" {
			t.Errorf("%v: %q", refused, got)
		}
	}
}

// TestExecInAStorm sends signals, which the runtime handles or the program ignores, until
// the program runs. It has the mask and the dispositions of the plan.
func TestExecInAStorm(t *testing.T) {
	t.Parallel()
	needExec(t)
	const script = `while read -r k v; do case $k in Sig[BIC]*) echo $v;; esac; done </proc/$$/status; echo over; exec sleep 60`
	storm := []syscall.Signal{syscall.SIGURG, syscall.SIGWINCH, syscall.SIGPROF, syscall.SIGUSR1}
	for i := range testenv.Rounds(50, 2000) {
		cmd := spawnCmd(t, "--exec", "--sig-ignore", "PROF,USR1", "--sig-block", "USR2", "--nice", "1", "sh", "-c", script)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		awaitHandlers(t, cmd.Process.Pid)
		stop, stopped := make(chan struct{}), make(chan struct{})
		go func() {
			defer close(stopped)
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					_ = cmd.Process.Signal(storm[n%len(storm)])
				}
			}
		}()
		text := readUntil(out, "over\n")
		close(stop)
		<-stopped
		_ = cmd.Process.Kill()
		werr := cmd.Wait()
		if want := "0000000000000800\n0000000004000200\n"; !strings.HasPrefix(text, want) {
			t.Fatalf("round %d: %q, want it to begin with %q; %v", i, text, want, werr)
		}
	}
}

// awaitHandlers waits until a Go program handles signals, or has become another.
func awaitHandlers(t *testing.T, pid int) {
	t.Helper()
	testenv.Eventually(t, "handlers", func() bool {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		status := fields(string(text))
		caught, _ := strconv.ParseUint(status["SigCgt"], 16, 64)
		ignored, _ := strconv.ParseUint(status["SigIgn"], 16, 64)
		const prof, usr1 = 1 << (unix.SIGPROF - 1), 1 << (unix.SIGUSR1 - 1)
		return errors.Is(err, os.ErrNotExist) || (caught|ignored)&(prof|usr1) == prof|usr1
	})
}

// readUntil reads up to a text.
func readUntil(r interface{ Read([]byte) (int, error) }, end string) string {
	var text strings.Builder
	buf := make([]byte, 512)
	for !strings.Contains(text.String(), end) {
		n, err := r.Read(buf)
		text.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return text.String()
}
