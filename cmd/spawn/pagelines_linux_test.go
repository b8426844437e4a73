package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// notRun are the beginnings of command lines that this test does not run, and why.
var notRun = []struct{ begins, why string }{
	{"go test ./... ./cmd/spawn", "it runs this test; .ci/run readme runs it in a clone"},
	{"go get ", "needs a release; .ci/release-try runs it"},
	{"go install ", "needs a release; .ci/release-try and .ci/first-hour run it"},
	{"go run .", "needs the program above it; .ci/release-try and .ci/first-hour run it"},
	{"gofmt -l . && go vet ./... && go test ./...", "needs a release; .ci/release-try runs it"},
	{"mkdir first; ", "a program of the reader; .ci/first-hour runs it"},
	{"cp ../README.main.go", "a program of the reader; .ci/first-hour runs it"},
	{"mkdir old; ", "a program of the reader; .ci/first-hour runs it"},
	{"sed -i ", "a program of the reader; .ci/first-hour runs it"},
	{"source <(spawn --completion bash)", "for a shell at a terminal; TestCompletionInShells and .ci/first-hour run it"},
	{"spawn --limit-", "a key at a terminal; TestCompletionInShells and .ci/first-hour press it"},
	{"spawn -- sleep 60", "a key at a terminal; TestScriptNeedsOneInterrupt and .ci/first-hour press it"},
	{"echo $?", "tells of the line before it"},
	{"cd bench && go run .", "takes minutes; the tests of bench run a small part of it"},
	{"docker run ", "needs Docker's daemon and an image"},
	{"systemd-run ", "needs systemd"},
	{"spawn --new net --persist ", "leaves a mount; TestPersist does it, and takes the mount away"},
	{"dir=/sys/fs/cgroup", "moves the shell into a leaf; TestTreeDelegate does it in .ci/trees"},
}

// lacking are parts of command lines that a machine may refuse to root, too, and why.
var lacking = []struct{ part, why string }{
	{"--sched deadline:", "not in a control group with CPUs of its own"},
	{"--util ", "CONFIG_UCLAMP_TASK"},
	{"--numa interleave:0-1", "two NUMA nodes"},
	{"--core-sched", "CONFIG_SCHED_CORE"},
	{"--cpus 0-1", "these CPUs"},
	{"--keyring ", "CONFIG_KEYS"},
	{"--selinux-context ", "SELinux, and this context"},
	{"--apparmor-profile ", "AppArmor, and this profile"},
	{"--deny-write-exec", "Linux 6.3"},
	{"--merge-pages", "CONFIG_KSM"},
	{"--allow-", "Landlock, with its newer rights"},
	{"--personality 8", "32 bits"},
	{"--tree-strict", "a control group of its own"},
	{"--join 4711:", "pidfd_open"},
	{"--limit-", "a delegated control group"},
	{"--cgroup ", "a control group"},
	{"--new user", "user namespaces"},
	{"--map-helpers", "newuidmap"},
}

// pageEnv is a place where command lines of pages find what they name.
type pageEnv struct {
	dir   string
	names *strings.Replacer
}

// TestPageCommands runs the command lines of the pages, in a directory that has the files and
// programs that they name. A line must end well. Without privilege, without the engine and
// where lacking says so, the command may refuse instead, with one line that says why.
func TestPageCommands(t *testing.T) {
	left := map[string]bool{}
	for _, n := range notRun {
		left[n.begins] = true
	}
	seen, parts := map[string]bool{}, ""
	env := newPageEnv(t, pageLines(t))
	for _, l := range pageLines(t) {
		parts += l.line + "\n"
		if n := reason(l); n != "" {
			t.Logf("not run: %s: %s: %s", l.page, strings.ReplaceAll(l.line, "\n", "; "), n)
			for b := range left {
				if strings.HasPrefix(l.line, b) {
					delete(left, b)
				}
			}
			continue
		}
		if !seen[l.line] {
			seen[l.line] = true
			if testing.Short() && len(seen)%4 != 0 {
				continue // the lines have little to do with how this was built
			}
			t.Run(l.line, func(t *testing.T) {
				t.Parallel()
				env.run(t, l)
			})
		}
	}
	for b := range left {
		t.Errorf("no page has the line %q", b)
	}
	for _, l := range lacking {
		if !strings.Contains(parts, l.part) {
			t.Errorf("no page has %q", l.part)
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d lines were run", len(seen))
	}
}

// reason is why a line is not run.
func reason(l pageLine) string {
	for _, n := range notRun {
		whole := n.begins == "spawn --limit-" || n.begins == "go run ." || n.begins == "echo $?" || n.begins == "spawn -- sleep 60"
		if strings.HasPrefix(l.line, n.begins) && (!whole || l.transcript) {
			return n.why
		}
	}
	return ""
}

// newPageEnv makes the programs, which do nothing, and the files.
func newPageEnv(t *testing.T, list []pageLine) pageEnv {
	t.Helper()
	dir := testenv.PublicDir(t)
	in := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	nothing := in("nothing")
	testenv.Program(t, nothing, 0)
	program := func(name string) {
		if err := os.Link(nothing, in(name)); err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
	for _, l := range list {
		for _, m := range regexp.MustCompile(`(?:^| )\./([a-z][a-z-]*)(?: |$)`).FindAllStringSubmatch(l.line, -1) {
			if m[1] != "cmd" {
				program("here/" + m[1])
			}
		}
	}
	for _, name := range []string{"srv/bin/server", "srv/bin/sh", "srv/box/bin/sh"} {
		program(name)
	}
	for _, name := range []string{"here/Makefile", "srv/Makefile"} {
		writeFile(t, in(name), "all:\n\t@echo made\n", 0o644)
	}
	writeFile(t, in("here/README.md"), "# readme\n", 0o644)
	allow := binary.NativeEndian.AppendUint32([]byte{unix.BPF_RET | unix.BPF_K, 0, 0, 0}, unix.SECCOMP_RET_ALLOW)
	writeFile(t, in("here/filter.bpf"), string(allow), 0o644)
	sum, err := exec.Command("sha256sum", nothing).Output()
	if err != nil {
		testenv.Skip(t, "no sha256sum")
	}
	writeFile(t, in("here/tool.sha256"), string(sum[:64])+"\n", 0o644)
	for _, name := range []string{"run/x", "srv/www/x", "home/x"} {
		in(name)
	}
	for name, file := range map[string]string{"newuidmap": "uid_map", "newgidmap": "gid_map"} {
		writeFile(t, in("bin/"+name), "#!/bin/sh\npid=$1\nshift\necho \"$@\" >/proc/$pid/"+file+"\n", 0o755)
	}
	if err := os.Symlink(testenv.Self(t), in("bin/spawn")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, in("bin/go"), "#!/bin/sh\n[ \"$1 $2\" = 'run ./cmd/spawn' ] || exit 9\nshift 2\nexec spawn \"$@\"\n", 0o755)
	return pageEnv{dir: dir, names: pageNames(t, dir)}
}

// pageNames puts what is here in the place of what a page takes for an example.
func pageNames(t *testing.T, dir string) *strings.Replacer {
	t.Helper()
	other := exec.Command("sleep", "600")
	other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWNET}
	if other.Start() != nil { // without privilege
		other = exec.Command("sleep", "600")
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		_ = other.Process.Kill()
		_ = other.Wait()
	})
	pid := strconv.Itoa(other.Process.Pid)
	return strings.NewReplacer("/run/netns/blue", "/proc/"+pid+"/ns/net", "4711", pid, "--user app ", "--user nobody ",
		"/srv", dir+"/srv", "/run/worker.pid", dir+"/run/worker.pid")
}

// run runs a line.
func (e pageEnv) run(t *testing.T, l pageLine) {
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh")
	cmd.Dir, cmd.WaitDelay = filepath.Join(e.dir, "here"), 10*time.Second
	cmd.Env = []string{"PATH=" + e.dir + "/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + e.dir + "/home", "LANG=C"}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	line := e.names.Replace(l.line)
	if strings.Contains(line, " make") {
		testenv.NeedCThreads(t)
	}
	stopped := strings.Contains(line, "--stopped")
	switch {
	case strings.HasPrefix(line, "grep "):
		cmd.Dir = t.TempDir()
		imports := writeFile(t, filepath.Join(cmd.Dir, "main.go"), "import (\n\t\"os/exec\"\n)\n", 0o644)
		defer func() {
			if got := readFile(t, imports); got != "import (\n\t\"github.com/safespawn/spawn/exec\"\n)\n" {
				t.Errorf("it made %q", got)
			}
		}()
	case strings.Contains(line, "/sys/fs/cgroup/jobs"):
		cgroup, _ := testenv.NewCgroup(t)
		line = strings.ReplaceAll(line, "/sys/fs/cgroup/jobs", cgroup.Name())
	case strings.Contains(line, "/dev/pts/5"):
		master, terminal := openPTY(t)
		line = strings.ReplaceAll(line, "/dev/pts/5", terminal.Name())
		if _, err := master.WriteString("exit\n"); err != nil {
			t.Fatal(err)
		}
	case strings.Contains(line, "--foreground"), strings.Contains(line, "--detach-tty"):
		_, cmd.Stdin = openPTY(t)
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	case stopped:
		line = "exec " + line
	}
	cmd.Args = []string{"sh", "-c", line}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if stopped && spawn.Features().Has(spawn.FeatureEngine) {
		awaitStopped(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	err := cmd.Wait()
	got := out.String() + errOut.String()
	switch {
	case l.transcript && got == l.prints:
	case l.transcript && err == nil:
		t.Errorf("the page has %q, and this is %q", l.prints, got)
	case err != nil && !refused(l, cmd.ProcessState, errOut.String()):
		t.Errorf("%v: %s", err, got)
	case err != nil:
		t.Logf("refused: %s", errOut.String())
	}
}

// oneLine may come after what --landlock-best-effort says.
var oneLine = regexp.MustCompile(`^(spawn: landlock: this kernel lacks [^\n]+\n)?spawn: [^\n]+\n$`)

// refused reports whether the command has said that it can't do a line, where it may.
func refused(l pageLine, state *os.ProcessState, said string) bool {
	if code := state.ExitCode(); code != statusError && code != 126 || !oneLine.MatchString(said) {
		return false
	}
	if !hasEngine() || !testenv.HasCap(unix.CAP_SYS_ADMIN) {
		return true
	}
	for _, x := range lacking {
		if strings.Contains(l.line, x.part) && (x.part != "--allow-" || !newLandlock()) {
			return true
		}
	}
	return false
}

// newLandlock reports whether Landlock has all that the pages ask of it.
func newLandlock() bool {
	for _, f := range spawn.Features() {
		if f.Name == spawn.FeatureLandlock {
			return f.Available && f.Version >= 6
		}
	}
	return false
}
