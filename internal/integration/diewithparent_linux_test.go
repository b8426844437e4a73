//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// forkTwice leaves processes behind in sessions of their own.
const forkTwice = `(setsid sh -c '(setsid sleep 1000 &) ; setsid sleep 1000 & exec sleep 1000' &) ; `

// needTrees skips a test where DieWithParent is about the child alone.
func needTrees(t testing.TB) {
	t.Helper()
	if !spawn.Features().Has(spawn.FeatureDieWithParent) {
		testenv.Skip(t, "no pid namespaces")
	}
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
}

// endsNamespace ends this process's namespace at the end of a test.
func endsNamespace(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		pidns.EndForTest()
		testenv.Eventually(t, "the end of the init", func() bool { return len(initsOf(os.Getpid())) == 0 })
	})
}

// processes calls f with the number in /proc, the name and the parent of each process.
func processes(f func(pid int, name, parent string)) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		text, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		_, name, _ := strings.Cut(string(text), "(")
		name = name[:strings.LastIndexByte(name, ')')]
		f(pid, name, string(kernel.StatFields(text)[1]))
	}
}

// initsOf are the inits of a process.
func initsOf(pid int) (pids []int) {
	processes(func(p int, name, parent string) {
		if name == "spawn-init" && parent == strconv.Itoa(pid) {
			pids = append(pids, p)
		}
	})
	return pids
}

// oneOf is the only one of this process's inits, or guardians, once it has its name.
func oneOf(list func(pid int) (pids []int)) (pids []int) {
	testenv.Soon(func() bool {
		pids = list(os.Getpid())
		return len(pids) == 1
	})
	return pids
}

// withUTS are the processes of a UTS namespace, zombies apart: a namespace that only one
// parent and its descendants have, whatever else they do.
func withUTS(link string) (pids []int) {
	processes(func(pid int, _, _ string) {
		if got, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/uts", pid)); err == nil && got == link {
			pids = append(pids, pid)
		}
	})
	return pids
}

var _ = testenv.RegisterHelper("starts until it is killed", func(args []string) int {
	s := spawntest.Shell(forkTwice+"exec sleep 1000", attr.DieWithParent{Strict: args[0] == "strict"})
	for i := 0; ; i++ {
		if _, err := spawn.Start(context.Background(), s); err != nil {
			return testenv.Status(err)
		}
		if i == 0 {
			fmt.Println("started")
		}
		time.Sleep(time.Millisecond) // it is to be killed between starts, too
	}
})

// killedParent starts a helper in a UTS namespace of its own, kills it after a time, and
// returns the namespace. With a time that is negative it kills before the first start.
func killedParent(t *testing.T, after time.Duration, args ...string) (link string) {
	t.Helper()
	return killedSpec(t, after, spawntest.Helper(t, args[0], args[1:]...))
}

// killedSpec is killedParent of a Spec.
func killedSpec(t *testing.T, after time.Duration, s *spawn.Spec) (link string) {
	t.Helper()
	s.Attr = append(s.Attr, attr.Namespaces{Flags: unix.CLONE_NEWUTS})
	p, r := spawntest.StartSaying(t, s)
	defer r.Close() // there may be a thousand
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/uts", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	if after >= 0 {
		if line, err := bufio.NewReader(r).ReadString('\n'); line != "started\n" {
			t.Fatalf("%q, %v", line, err)
		}
		time.Sleep(after)
	} else {
		time.Sleep(-after)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return link
}

// TestDieWithParentAtRandomMoments kills parents with SIGKILL while they start trees, and
// wants nothing to survive, counted from outside. With -long it kills a thousand.
func TestDieWithParentAtRandomMoments(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS)
	for i := range testenv.Rounds(16, 1000) {
		after := time.Duration(rand.Int64N(int64(20 * time.Millisecond)))
		if i%4 == 3 { // perhaps before there is an init
			after = -after
		}
		link := killedParent(t, after, "starts until it is killed", "strict")
		testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })
	}
}

var _ = testenv.RegisterHelper("starts one and waits", func([]string) int {
	s := spawntest.Shell(forkTwice+"exec sleep 1000", attr.DieWithParent{})
	if _, err := spawn.Start(context.Background(), s); err != nil {
		return testenv.Status(err)
	}
	if err := awaitOwn(6); err != nil {
		return testenv.Status(err)
	}
	fmt.Println("started")
	time.Sleep(time.Hour)
	return 0
})

// awaitOwn waits until so many processes are in this one's UTS namespace.
func awaitOwn(n int) error {
	link, err := os.Readlink("/proc/self/ns/uts")
	if err == nil && !testenv.Soon(func() bool { return len(withUTS(link)) >= n }) {
		err = fmt.Errorf("%d processes, want %d", len(withUTS(link)), n)
	}
	return err
}

// Without DieWithParent the same tree survives: else the test above would show nothing.
var _ = testenv.RegisterHelper("starts without", func([]string) int {
	if _, err := spawn.Start(context.Background(), spawntest.Shell(forkTwice+"exec sleep 1000")); err != nil {
		return testenv.Status(err)
	}
	if err := awaitOwn(5); err != nil {
		return testenv.Status(err)
	}
	fmt.Println("started")
	time.Sleep(time.Hour)
	return 0
})

func TestDieWithParentWholeTree(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS)
	link := killedParent(t, 0, "starts one and waits")
	testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })

	link = killedParent(t, 0, "starts without")
	left := withUTS(link)
	if len(left) < 3 {
		t.Errorf("without the attribute %d live: the test shows nothing", len(left))
	}
	for _, pid := range left {
		_ = unix.Kill(pid, unix.SIGKILL) // or it has ended
	}
	testenv.Eventually(t, "the end of those", func() bool { return len(withUTS(link)) == 0 })
}

var _ = testenv.RegisterHelper("becomes another program", func([]string) int {
	if _, err := spawn.Start(context.Background(), spawntest.Shell(forkTwice+"exec sleep 1000", attr.DieWithParent{})); err != nil {
		return testenv.Status(err)
	}
	if err := awaitOwn(6); err != nil {
		return testenv.Status(err)
	}
	script := "exec sleep 1000"
	return testenv.Status(syscall.Exec("/bin/sh", []string{"sh", "-c", script}, os.Environ()))
})

// execve of the parent counts as its end.
func TestDieWithParentThatExecs(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS)
	s := spawntest.Helper(t, "becomes another program")
	s.Attr = append(s.Attr, attr.Namespaces{Flags: unix.CLONE_NEWUTS})
	p, err := spawn.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	link, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/uts", p.Pid()))
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the new program alone", func() bool {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", p.Pid()))
		return string(name) == "sleep\n" && len(withUTS(link)) == 1
	})
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// The init that somebody has killed is replaced, also where a child that nobody has waited
// for keeps it from ending.
func TestDieWithParentAfterTheInit(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	s := spawntest.Shell(forkTwice+"exec sleep 1000", attr.DieWithParent{Strict: true})
	first, err := spawn.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	inits := oneOf(initsOf)
	if len(inits) != 1 {
		t.Fatalf("inits %v", inits)
	}
	if err := unix.Kill(inits[0], unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := first.WaitExited(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, err := spawn.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "an init more", func() bool { return len(initsOf(os.Getpid())) == 2 }) // the first is a zombie, or about to be
	state, err := first.Wait(t.Context())
	if err != nil || state.Signal() != unix.SIGKILL {
		t.Errorf("%v, %v", state, err)
	}
	testenv.Eventually(t, "the end of the first init", func() bool { return len(initsOf(os.Getpid())) == 1 })
	if err := second.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the second: %v", err)
	}
	pidns.EndForTest()
	if state, err := second.Wait(t.Context()); err != nil || state.Signal() != unix.SIGKILL {
		t.Errorf("%v, %v", state, err)
	}
}

// A start at the moment in which the init dies has another one.
func TestDieWithParentWhileTheInitDies(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	p, err := spawn.Compile(&spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Attr: attr.List{attr.DieWithParent{Strict: true}}})
	if err != nil {
		t.Fatal(err)
	}
	for range testenv.Rounds(20, 1000) {
		first, err := p.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range initsOf(os.Getpid()) {
			_ = unix.Kill(pid, unix.SIGKILL) // or it is dying
		}
		second, err := p.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []*spawn.Process{first, second} {
			_ = c.Kill() // or it has died with the init
			if state, err := c.Wait(t.Context()); err != nil || state.Signal() != unix.SIGKILL {
				t.Errorf("%v, %v", state, err)
			}
		}
	}
}

// Any number of starts have one init, whose number is not used up.
func TestDieWithParentHasOneInit(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	s := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.DieWithParent{Strict: true}}}
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	before := testenv.Settled()
	err = testenv.AtOnce(4, func() error {
		for range testenv.Rounds(50, 1000) {
			if state, err := p.Run(context.Background()); err != nil || !state.Success() {
				return fmt.Errorf("%v, %w", state, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if inits := oneOf(initsOf); len(inits) != 1 {
		t.Errorf("inits %v", inits)
	}
	testenv.CheckFDs(t, before)
}

// What the program sees, and what it does not.
func TestDieWithParentInside(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		if !kernel.Current().SharedMemory {
			return
		}
		s := spawntest.Shell("echo $$ $PPID; readlink /proc/self; readlink /proc/self/ns/pid", attr.DieWithParent{Strict: true})
		out := strings.Fields(spawntest.Output(t, s))
		own, _ := os.Readlink("/proc/self/ns/pid")
		if len(out) != 4 || out[0] == out[2] || out[1] != "0" || out[3] == own {
			t.Errorf("%q", out)
		}
	})
}

// Other attributes work as they do without it.
func TestDieWithParentWithOthers(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	with := func(script, want string, list ...attr.Attr) {
		t.Helper()
		out, state, err := spawntest.TryOutput(spawntest.Shell(script, append(list, attr.DieWithParent{Strict: true})...))
		if err != nil || !state.Success() || strings.TrimSpace(out) != want {
			t.Errorf("%v: %q, %v, %v", list, out, state, err)
		}
	}
	with("id -u", "65534", attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
	with("id -u", "0", attr.Namespaces{Flags: unix.CLONE_NEWUSER},
		attr.IDMap{UID: []attr.IDMapEntry{{ContainerID: 0, HostID: 0, Size: 1}}, GID: []attr.IDMapEntry{{ContainerID: 0, HostID: 0, Size: 1}}})
	with("cat /proc/self/oom_score_adj", "500", attr.OOMScoreAdj(500))
	with("sh -c 'echo $$'; :", "1", attr.Unshare{Flags: unix.CLONE_NEWPID})
	with("ulimit -n", "77", attr.NoFile{Soft: 77, Hard: 77})
	with("echo in", "in", attr.Setsid{}, attr.NoNewPrivs{}, attr.Umask(0o77))
	with("echo in", "in", attr.NoHugePages{})
	dir, name := testenv.NewCgroup(t)
	with("grep ^0:: /proc/self/cgroup | grep -c "+name, "1", attr.Cgroup{Dir: dir})
}

// A traced or a suspended child is one as without it.
func TestDieWithParentSuspended(t *testing.T) {
	testenv.NeedRoot(t)
	needTrees(t)
	endsNamespace(t)
	p, err := spawn.Start(t.Context(), spawntest.Shell("exit 7", attr.DieWithParent{Strict: true}, attr.StartSuspended{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(unix.SIGCONT); err != nil {
		t.Fatal(err)
	}
	if state, err := p.Wait(t.Context()); err != nil || state.ExitCode() != 7 {
		t.Errorf("%v, %v", state, err)
	}
}

// What contradicts it is an error of Compile, whatever privilege there is.
func TestDieWithParentConflicts(t *testing.T) {
	t.Cleanup(pidns.EndForTest)
	f, err := os.Open("/proc/self/ns/pid")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, a := range []attr.Attr{
		attr.Namespaces{Flags: unix.CLONE_NEWPID}, attr.JoinNamespace{File: f, Types: unix.CLONE_NEWPID},
		attr.ParentDeathSignal(unix.SIGTERM), attr.Setpgid{Pgid: 1000}, attr.DieWithParent{},
	} {
		for _, list := range []attr.List{{a, attr.DieWithParent{}}, {attr.DieWithParent{}, a}} {
			var c *attr.ConflictError
			if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list}); !errors.As(err, &c) {
				t.Errorf("%v: %v", list, err)
			}
		}
	}
}

var _ = testenv.RegisterHelper("starts one without privilege", func(args []string) int {
	if spawn.Features().Has(spawn.FeatureDieWithParent) {
		fmt.Println("has it")
		return 1
	}
	_, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.DieWithParent{Strict: true}}})
	var u *attr.UnsupportedError
	if !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &u) || !strings.Contains(u.What, "CAP_SYS_ADMIN") {
		fmt.Println("strict:", err)
		return 1
	}
	s := spawntest.Shell("setsid sleep 1000 & echo $! >"+args[0]+"; exec sleep 1000", attr.DieWithParent{})
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return testenv.Status(err)
	}
	for {
		if b, _ := os.ReadFile(args[0]); strings.HasSuffix(string(b), "\n") {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Println(p.Pid())
	time.Sleep(time.Hour)
	return 0
})

// Without privilege the child alone dies, and who asks is told so.
func TestDieWithParentWithoutPrivilege(t *testing.T) {
	dir := testenv.PublicDir(t)
	file := filepath.Join(dir, "pid")
	s := spawntest.Helper(t, "starts one without privilege", file)
	if os.Geteuid() == 0 {
		spawntest.RunByNobody(t, s)
		if err := os.Chown(dir, testenv.Nobody, testenv.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	p, r := spawntest.StartSaying(t, s)
	line, _ := bufio.NewReader(r).ReadString('\n')
	child, cerr := strconv.Atoi(strings.TrimSpace(line))
	text, _ := os.ReadFile(file)
	grandchild, gerr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if cerr != nil || gerr != nil {
		t.Fatalf("%q, %q", line, text)
	}
	testenv.Eventually(t, "the end of the child", func() bool { return testenv.IsOver(child) })
	if testenv.IsOver(grandchild) {
		t.Error("the grandchild has died, too")
	}
	if err := exec.Command("kill", "-KILL", strconv.Itoa(grandchild)).Run(); err != nil {
		t.Errorf("the grandchild: %v", err)
	}
}
