//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package pidns_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

const capSysAdmin = 21

// needNamespaces skips a test where a filter or the want of privilege is against pid namespaces.
func needNamespaces(t testing.TB) {
	t.Helper()
	testenv.NeedCap(t, capSysAdmin)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
}

// newNamespace is one that is closed at the end of the test.
func newNamespace(t *testing.T) *pidns.Namespace {
	t.Helper()
	needNamespaces(t)
	n, err := pidns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// inside makes the command a member of the namespace, and starts it.
func inside(t *testing.T, n *pidns.Namespace, cmd *exec.Cmd) {
	t.Helper()
	if err := startInside(n, cmd); err != nil {
		t.Fatal(err)
	}
}

func startInside(n *pidns.Namespace, cmd *exec.Cmd) (err error) {
	testenv.OnThread(func() { // whose children are in the namespace
		if err = unix.Setns(int(n.File().Fd()), unix.CLONE_NEWPID); err == nil {
			err = cmd.Start()
		}
	})
	return err
}

// insideScript is the output of a script in the namespace.
func insideScript(t *testing.T, n *pidns.Namespace, script string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	cmd := exec.Command("/bin/sh", "-c", "exec >"+out+" 2>&1 </dev/null; "+script)
	inside(t, n, cmd)
	_ = cmd.Wait() // the status does not matter
	text, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// children are those of this process, by name.
func children(t *testing.T, name string) (pids []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		fields := kernel.StatFields(text)
		if len(fields) > 1 && string(fields[1]) == strconv.Itoa(os.Getpid()) && strings.Contains(string(text), "("+name+")") {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// linkOf is what /proc says of the namespace of each of its members.
func linkOf(t *testing.T, n *pidns.Namespace) string {
	t.Helper()
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// theInit is the init of a namespace, once it has gone through its gate. That of an earlier
// one may be a zombie for a while.
func theInit(t *testing.T, n *pidns.Namespace) (pid string) {
	t.Helper()
	link := linkOf(t, n)
	testenv.Eventually(t, "an init past its gate", func() bool {
		for _, pid = range children(t, "spawn-init") {
			if got, err := os.Readlink("/proc/" + pid + "/ns/pid"); err == nil && got == link {
				_, err := os.Lstat("/proc/" + pid + "/fd/2")
				return errors.Is(err, os.ErrNotExist)
			}
		}
		return false
	})
	return pid
}

// The init is as small as can be, has nothing of its parent's, and no signal blocked.
func TestInitHasNothing(t *testing.T) {
	needNamespaces(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		if !kernel.Current().SharedMemory {
			if _, err := pidns.New(); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("without shared memory: %v", err)
			}
			return
		}
		f, err := os.Open(".") // not close-on-exec, as other code may have files
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0); err != nil {
			t.Fatal(err)
		}
		pid := theInit(t, newNamespace(t))
		s := testenv.StatusOf(t, pid).Status
		for key, want := range map[string]string{"SigBlk": "0000000000000000", "SigCgt": "0000000000000000", "SigIgn": "fffffffffffbfeff", "Threads": "1"} {
			if s[key] != want {
				t.Errorf("%s is %q, want %q", key, s[key], want)
			}
		}
		if ids := strings.Fields(s["NSpid"]); len(ids) < 2 || ids[len(ids)-1] != "1" {
			t.Errorf("its ids are %q", ids)
		}
		if pages, _ := strconv.Atoi(strings.Fields(s["VmRSS"])[0]); pages > 200 {
			t.Errorf("it has %d KiB", pages)
		}
		if fds, _ := os.ReadDir("/proc/" + pid + "/fd"); len(fds) != 1 || fds[0].Name() != "0" {
			t.Errorf("its descriptors are %v", fds)
		}
		if cwd, _ := os.Readlink("/proc/" + pid + "/cwd"); cwd != "/" {
			t.Errorf("it works in %q", cwd)
		}
		if env, err := os.ReadFile("/proc/" + pid + "/environ"); err != nil || len(env) != 0 {
			t.Errorf("its environment is %q, %v", env, err)
		}
		if sid, err := unix.Getsid(mustAtoi(t, pid)); err != nil || strconv.Itoa(sid) != pid {
			t.Errorf("its session is %d, %v", sid, err)
		}
		score, _ := os.ReadFile("/proc/" + pid + "/oom_score_adj")
		own, _ := os.ReadFile("/proc/self/oom_score_adj")
		const capSysResource = 24
		if want := map[bool]string{true: "-1000\n", false: string(own)}[testenv.HasCap(capSysResource)]; string(score) != want {
			t.Errorf("its OOM score is %q, want %q", score, want)
		}
	})
}

func mustAtoi(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Nothing from inside ends the init, or stops it; it goes on reaping.
func TestInsideCannotEndTheInit(t *testing.T) {
	n := newNamespace(t)
	pid := theInit(t, n)
	out := insideScript(t, n, `
		for s in $(seq 1 64); do kill -$s 1; done
		for i in 1 2 3 4 5 6 7 8; do (setsid sh -c 'sleep 0 & sleep 0 &' &); done
		echo alive $$`)
	if !strings.Contains(out, "alive") {
		t.Fatalf("%q", out)
	}
	testenv.Eventually(t, "nothing but the init, and that at rest", func() bool {
		text, err := os.ReadFile("/proc/" + pid + "/stat")
		if err != nil {
			t.Fatal("the init is gone")
		}
		return string(kernel.StatFields(text)[0]) == "S" && len(withNamespace(t, linkOf(t, n))) == 1
	})
	if !n.Alive() {
		t.Error("the namespace is said to be gone")
	}
}

// withNamespace are the processes, zombies included, whose pid namespace is one: found
// without the package.
func withNamespace(t *testing.T, link string) (pids []string) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if got, err := os.Readlink("/proc/" + e.Name() + "/ns/pid"); err == nil && got == link && e.Name() != "thread-self" && e.Name() != "self" {
			pids = append(pids, e.Name())
		}
	}
	return pids
}

// forkTwice starts what gets away from sessions and groups: twice, and in a pid namespace
// of its own, too. The shell in it waits, as its last command is none that BusyBox's would
// become: these are six processes with any shell.
const forkTwice = `(setsid sh -c '(setsid sleep 1000 &) ; setsid sleep 1000; :' &) ; unshare -p -f sleep 1000 & sleep 1000 & `

func needUnshare(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("unshare"); err != nil {
		testenv.Skip(t, "no unshare(1)")
	}
}

// Kill kills all, those of namespaces below included, and counts them before.
func TestKillTakesAll(t *testing.T) {
	needNamespaces(t)
	needUnshare(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		if !kernel.Current().SharedMemory {
			return // no namespaces: see TestInitHasNothing
		}
		n := newNamespace(t)
		link := linkOf(t, n)
		insideScript(t, n, forkTwice)
		var members []int
		testenv.Eventually(t, "six processes", func() bool {
			var err error
			if members, err = n.Members(); err != nil {
				t.Fatal(err)
			}
			return len(members) >= 6
		})
		if err := killAll(n); err != nil {
			t.Error(err)
		}
		for _, m := range members {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", m)); err == nil && !strings.Contains("ZX", string(kernel.StatFields(text)[0])) {
				t.Errorf("%d lives", m)
			}
		}
		testenv.Eventually(t, "the end of the namespace", func() bool { return !n.Alive() && len(withNamespace(t, link)) == 0 })
	})
}

// killAll kills the members of a namespace, and waits until there are none.
func killAll(n *pidns.Namespace) (err error) {
	n.Kill()
	var left []int
	if !testenv.Soon(func() bool {
		left, err = n.Members()
		return len(left) == 0
	}) {
		return errors.Join(err, fmt.Errorf("%d members are left", len(left)))
	}
	return err
}

// A child that nobody has waited for is no member.
func TestZombiesAreNoMembers(t *testing.T) {
	n := newNamespace(t)
	cmd := exec.Command("/bin/sleep", "1000")
	inside(t, n, cmd)
	if err := killAll(n); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
}

var _ = testenv.RegisterHelper("parent of an init", parentOfInit)

// parentOfInit makes a namespace with a tree, prints the namespace and waits to be killed.
func parentOfInit(args []string) int {
	n, err := pidns.New()
	if err != nil {
		return testenv.Status(err)
	}
	cmd := exec.Command("/bin/sh", "-c", forkTwice+"wait")
	if err := startInside(n, cmd); err != nil {
		return testenv.Status(err)
	}
	for {
		if list, err := n.Members(); err != nil {
			return testenv.Status(err)
		} else if len(list) >= 6 {
			break
		}
	}
	link, _ := os.Readlink(fmt.Sprintf("/proc/%d/ns/pid", cmd.Process.Pid))
	fmt.Println(link)
	time.Sleep(time.Hour) // it is killed
	return 0
}

// startParent starts parentOfInit, and returns the namespace of its children.
func startParent(t *testing.T) (cmd *exec.Cmd, link string) {
	t.Helper()
	cmd = &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("parent of an init"), Stderr: os.Stderr}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // or it has ended
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if link = strings.TrimSpace(line); err != nil || !strings.HasPrefix(link, "pid:") {
		t.Fatalf("%q, %v", line, err)
	}
	if own, _ := os.Readlink("/proc/self/ns/pid"); link == own || len(withNamespace(t, link)) < 5 {
		t.Fatalf("%q has %v", link, withNamespace(t, link))
	}
	return cmd, link
}

// adopt makes this process the parent of orphans below it, until the end of the test:
// another one may be slow to reap them.
func adopt(t *testing.T) {
	t.Helper()
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) })
}

// All are gone when the parent is killed: also where the init is stopped.
func TestEndsWithTheParent(t *testing.T) {
	needNamespaces(t)
	needUnshare(t)
	for _, stopped := range []bool{false, true} {
		t.Run(fmt.Sprint("stopped ", stopped), func(t *testing.T) {
			adopt(t)
			cmd, link := startParent(t)
			if stopped {
				testenv.Eventually(t, "an init, under its name", func() bool {
					for _, pid := range withNamespace(t, link) {
						if name, _ := os.ReadFile("/proc/" + pid + "/comm"); string(name) == "spawn-init\n" {
							return unix.Kill(mustAtoi(t, pid), unix.SIGSTOP) == nil
						}
					}
					return false
				})
			}
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait() // it was killed
			testenv.Eventually(t, "nothing left", func() bool {
				pids := withNamespace(t, link)
				for _, pid := range pids {
					_, _ = unix.Wait4(mustAtoi(t, pid), nil, unix.WNOHANG, nil) // or it lives
				}
				return len(pids) == 0
			})
		})
	}
}

// Without CAP_SYS_ADMIN it is an error that says what is missing.
func TestNewNeedsPrivilege(t *testing.T) {
	testenv.NeedUser(t)
	n, err := pidns.New()
	if err == nil {
		n.Close()
		testenv.Skip(t, "this user may make pid namespaces")
	}
	var r *pidns.Refusal
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &r) || !strings.Contains(r.What, "CAP_SYS_ADMIN") {
		t.Errorf("%v", err)
	}
}

var _ = testenv.RegisterHelper("no executable memory files", noMemoryFiles)

// noMemoryFiles is the first process of a pid namespace, whose setting it changes.
func noMemoryFiles([]string) int {
	if err := os.WriteFile("/proc/sys/vm/memfd_noexec", []byte("2"), 0); err != nil {
		fmt.Println("skip", err)
		return 0
	}
	_, err := pidns.New()
	var r *pidns.Refusal
	if !errors.As(err, &r) || !strings.Contains(r.What, "memfd_noexec") {
		return testenv.Status(fmt.Errorf("with vm.memfd_noexec: %w", err))
	}
	return 0
}

func TestRefusedMemoryFiles(t *testing.T) {
	needNamespaces(t)
	cmd := &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs("no executable memory files"),
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v: %s", err, out)
	}
	if strings.HasPrefix(string(out), "skip") {
		testenv.Skip(t, string(out))
	}
}

// Many namespaces at once leave nothing.
func TestManyNamespaces(t *testing.T) {
	needNamespaces(t)
	before := testenv.Settled()
	err := testenv.AtOnce(4, func() error {
		for range testenv.Rounds(10, 1000) {
			n, err := pidns.New()
			if err != nil {
				return err
			}
			if !n.Alive() {
				return errors.New("not alive")
			}
			n.Close()
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	testenv.Eventually(t, "no inits", func() bool { return len(children(t, "spawn-init")) == 0 })
	if leaks := testenv.FDsSince(before); !testenv.Soon(func() bool { leaks = testenv.FDsSince(before); return len(leaks) == 0 }) {
		t.Errorf("left: %v", leaks)
	}
}
