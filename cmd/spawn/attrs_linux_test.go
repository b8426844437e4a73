package main

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
)

// withoutFlag are the attributes that no flag gives, and why.
var withoutFlag = map[string]string{
	"Ptrace": "the command would have to be a debugger",
}

// everyFlag is command lines that have all flags between them.
func everyFlag(t *testing.T) [][]string {
	filter := writeFile(t, filepath.Join(t.TempDir(), "filter"), string(allowAll()), 0o644)
	join := fmt.Sprintf("%d:ipc", os.Getpid())
	if testenv.Lacks(unix.SYS_PIDFD_OPEN) {
		join = "ipc=/proc/self/ns/ipc"
	}
	return [][]string{
		{
			"--stdin", "/dev/null", "--stdout", "/dev/null", "--stderr", "stdout", "--append", "--fd", "3=/dev/null:r",
			"--keep-fd", "0", "--chdir", "/", "--env", "A=b", "--clear-env", "--umask", "22", "--setsid", "--ctty", "0:steal",
			"--sig-default", "HUP", "--sig-ignore", "INT", "--sig-block", "all", "--parent-death", "KILL",
			"--subreaper", "--stopped", "--nice", "19", "--sched", "batch", "--reset-on-fork", "--util", "0:1024", "--cpus", "0-63",
			"--ioprio", "idle", "--timer-slack", "1ms", "--numa", "local", "--core-sched", "--rlimit", "core=0",
			"--rlimit", "nofile=99", "--rlimit", "nproc=hard", "--oom-score-adj", "1000",
			"--user", "0:0", "--groups", "none", "--user-env", "--cap-effective", "none", "--cap-permitted", "none",
			"--cap-inheritable", "none", "--cap-ambient", "none", "--cap-bounding", "all", "--securebits", "noroot", "--no-new-privs",
			"--seccomp", filter, "--seccomp-log", "--landlock", "--allow-read", "/", "--allow-write", "/", "--allow-exec", "/",
			"--allow-bind", "1", "--allow-connect", "2", "--allow-udp-bind", "3", "--allow-udp-connect", "4", "--allow-unix", "/",
			"--landlock-log", "--landlock-quiet", "/", "--deny-signals", "--deny-abstract-unix", "--landlock-best-effort",
			"--no-aslr", "--keyring", "-", "--new", "user,mount,pid,net,ipc,uts,cgroup", "--unshare", "files,fs,sysvsem",
			"--uid-map", "0:0:1", "--gid-map", "0:0:1", "--setgroups", "deny", "--map-helpers", "--cgroup", "/", "--chroot", "/",
			"--mount", "type=proc,target=/proc", "--hostname", "a", "--domainname", "b", "--loopback", "--timeout", "1m", "--stop-signal", "INT",
			"--kill-after", "1", "--preserve-status", "--init", "--pidfile", "/nonexistent/file", "--progress", "--stats",
		},
		{
			"--setpgid", "0", "--foreground", "--rlimit", "nofile=original", "--ruid", "1", "--euid", "1", "--rgid", "1", "--egid", "1",
			"--keep-groups", "--detach-tty", "--cap-ambient", "chown", "--allow-tcp", "--deny-udp", "--deny-pathname-unix", "--landlock-best-effort", "--personality", "8",
			"--unshare", "user,mount", "--map-root", "--pivot-root", "/", "--exec", "--join", "net=/proc/self/ns/net", "--join", join, "--verbose",
		},
		{
			"--reset-ids", "--reset-env", "--caps", "none", "--coredump-filter", "none", "--deny-write-exec", "--no-huge-pages", "--merge-pages",
			"--selinux-context", "a", "--apparmor-profile", "b", "--die-with-parent",
			"--sha256", strings.Repeat("0a", 32), "--argv0", "a", "--unset-env", "A", "--add-nice", "1", "--optional", "add-nice", "--new", "user,mount,time", "--monotonic", "1h", "--boottime", "-86400", "--mount-proc", "--persist", "user=/f", "--map-self", "--bind", "/", "--ro-bind", "/a", "--dev-bind", "/dev:/b",
			"--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev", "--dir", "/d", "--symlink", "d:/e", "--pty", "--status-fd", "1",
		},
	}
}

// TestEveryAttribute wants each type of package attr that is an attribute to come
// of a flag, and the command lines for that to have all flags.
func TestEveryAttribute(t *testing.T) {
	got, used := map[string]bool{}, map[string]bool{}
	for _, name := range []string{"dump", "dump-here", "init-here", "explain", "features", "completion", "complete", "version", "help", "short-help", "man"} {
		used[name] = true // it runs nothing
	}
	used["map-auto"] = true // not everybody has such ids; see TestMapAuto
	for _, line := range everyFlag(t) {
		for _, word := range line {
			if name, is := strings.CutPrefix(word, "--"); is {
				used[name] = true
			}
		}
		o, done, err := parse(append(line, "true"))
		if err != nil || done {
			t.Fatal(err)
		}
		list, err := o.attributes()
		o.close()
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range list {
			got[reflect.TypeOf(a).Name()] = true
		}
	}
	for _, f := range (&options{}).flags() {
		ofTrees := groupOf(f) == "Descendants" // see TestPagesParse
		if name := f.Name; !used[name] && !ofTrees {
			t.Errorf("no use of --%s", name)
		}
	}
	names, err := attrnames.In("../../attr")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if got[name] == (withoutFlag[name] != "") {
			t.Errorf("attr.%s: given by a flag: %t", name, got[name])
		}
	}
}

// TestExplainEverything wants steps for nearly all of it, without privilege.
func TestExplainEverything(t *testing.T) {
	needEngine(t, "--explain", "--subreaper")
	u := nobody(t)
	filter := writeFile(t, filepath.Join(t.TempDir(), "filter"), string(allowAll()), 0o644)
	if err := os.Chmod(filepath.Dir(filter), 0o755); err != nil {
		t.Fatal(err)
	}
	own := []string{
		"--stdin", "/dev/null", "--fd", "3=/dev/null:r", "--chdir", "/", "--umask", "22", "--setsid", "--ctty", "0",
		"--sig-default", "HUP", "--sig-ignore", "INT", "--sig-block", "all", "--parent-death", "KILL", "--subreaper",
		"--nice", "-20", "--sched", "rr:99", "--reset-on-fork", "--util", "1:1024", "--cpus", "0", "--ioprio", "realtime:0",
		"--timer-slack", "1ms", "--numa", "bind:0", "--core-sched", "--rlimit", "core=0", "--rlimit", "nproc=hard", "--rlimit", "nofile=99",
		"--oom-score-adj", "-1000", "--user", "root", "--groups", "1,2", "--caps", "chown,kill", "--securebits", "noroot,noroot_locked",
		"--no-new-privs", "--seccomp", "/proc/self/fd/0", "--allow-read", "/", "--landlock-best-effort", "--no-aslr", "--keyring", "k",
		"--new", "user,mount,uts,net", "--unshare", "ipc", "--map-root", "--setgroups", "allow", "--cgroup", "/", "--pivot-root", "/",
		"--mount", "bind,source=/a,target=/b,ro", "--hostname", "a", "--domainname", "b", "--loopback", "--explain", "true",
	}
	cmd := spawnCmd(t, own...)
	f, err := os.Open(filter)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdin = f
	asUser(t, cmd, u)
	r := finish(t, cmd)
	if r.status != 0 || strings.Trim(r.errOut, "\n") != "" && !strings.HasPrefix(r.errOut, "spawn: landlock: this kernel lacks ") {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{
		"sigdefault", "sigignore", "setsid", "oom_score_adj", "sched", "sched_util", "nice", "affinity", "mempolicy", "ioprio", "core_sched",
		"rlimit", "unshare", "mount", "pivot_root", "sethostname", "setdomainname", "loopback", "bounding", "setgroups", "setresgid", "setresuid",
		"ambient", "securebits", "capset", "pdeathsig", "keyring", "umask", "open", "chdir", "ctty", "timerslack", "personality",
		"subreaper", "no_new_privs", "sigmask", "seccomp", "execve",
	} {
		if !strings.Contains(r.out, "  "+want+" ") {
			t.Errorf("no step %s in\n%s", want, r.out)
		}
	}
}
