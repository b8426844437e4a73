//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"errors"
	"fmt"
	"github.com/safespawn/spawn"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	// It starts a script in a tree, and waits for no more than its own input.
	testenv.RegisterHelper("hold tree", func(args []string) int {
		c := exec.Command("/bin/sh", "-c", args[0])
		c.Tree, c.Stdout = true, os.Stdout
		if err := c.Start(); err != nil {
			return status(err)
		}
		_, err := io.Copy(io.Discard, os.Stdin)
		return status(err)
	})
}

// scattered is a family of which some have left the process group.
const scattered = family + `setsid sh -c 'echo $$; sleep 60' & wait`

// holding starts "hold tree" and returns the pids that its script prints. What
// dies is ended by the test's end.
func holding(t *testing.T, group string, more attr.List) (c *exec.Cmd, pids []string) {
	t.Helper()
	c = inGroup(t, group, more, "hold tree", scattered)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if c.ProcessState == nil {
			_ = c.Process.Kill() // it may have ended
			_ = c.Wait()         // killed
		}
	})
	return c, readPids(t, out, 4)
}

// runTree runs a tree in a control group, by a process of its own.
func runTree(t *testing.T, group string) {
	t.Helper()
	mustSay(t, values(t, inGroup(t, group, nil, "tree", "")), "held", "yes", "run", "<nil>")
}

func mustRun(t *testing.T, pids []string) {
	t.Helper()
	for _, p := range pids {
		if testenv.IsOver(number(p)) {
			t.Errorf("process %s was ended", p)
		}
	}
}

// TestTreeOfTheDead has a process die that has a tree. The next one that starts a
// tree ends that, and leaves those of the living alone.
func TestTreeOfTheDead(t *testing.T) {
	g := testGroup(t)
	crash, left := holding(t, g, nil)
	_, living := holding(t, g, nil)
	mustRun(t, append(left, living...))
	if n := len(groupsIn(g)); n != 2 {
		t.Fatalf("%d groups", n)
	}
	_ = crash.Process.Kill() // Wait says it
	_ = crash.Wait()         // killed
	mustRun(t, left)
	lockAndFreeze(t, g, left[0])
	useUntil(t, g, func() bool { return len(groupsIn(g)) == 1 })
	mustBeGone(t, left, 4)
	mustRun(t, living)
}

// lockAndFreeze makes the group of a process, below another, like one whose owner was
// killed while it had the group frozen: a child on its way to execve still has the lock.
func lockAndFreeze(t *testing.T, group, pid string) {
	t.Helper()
	i := slices.IndexFunc(groupsIn(group), func(dir string) bool {
		procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		return slices.Contains(strings.Fields(string(procs)), pid)
	})
	if i < 0 {
		t.Fatalf("process %s is in none of %q", pid, groupsIn(group))
	}
	dir, err := os.Open(groupsIn(group)[i])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir.Name(), "cgroup.freeze"), []byte("1"), 0); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

// useUntil runs a tree in a control group, and others where one doesn't do: on a
// busy machine a process takes long to be gone.
func useUntil(t *testing.T, group string, done func() bool) {
	t.Helper()
	testenv.Eventually(t, "what others do to a tree", func() bool {
		runTree(t, group)
		return done()
	})
}

// TestTreeOfTheDeadElsewhere is the same with owners in pid namespaces of their
// own: the first process there, whose end is the end of all, and of the directory
// at the next use.
func TestTreeOfTheDeadElsewhere(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWPID)
	g := testGroup(t)
	space := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWPID}}
	crash, _ := holding(t, g, space)
	_, _ = holding(t, g, space)
	runTree(t, g)
	procs := populated(g)
	if procs != 2 {
		t.Errorf("%d trees are alive", procs)
	}
	_ = crash.Process.Kill() // Wait says it
	_ = crash.Wait()         // killed
	useUntil(t, g, func() bool { return len(groupsIn(g)) == 1 })
	if populated(g) != 1 {
		t.Error("the living one was ended")
	}
}

// populated counts the groups in one that have processes.
func populated(g string) (n int) {
	for _, dir := range groupsIn(g) {
		events, _ := os.ReadFile(filepath.Join(dir, "cgroup.events"))
		if strings.Contains(string(events), "populated 1") {
			n++
		}
	}
	return n
}

// TestTreeLeftovers knows owners by more than their pid.
func TestTreeLeftovers(t *testing.T) {
	ended := exec.Command("true")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	g := testGroup(t)
	me := strings.Split(exec.OwnPrefix(), "-") // spawn NS PID START and nothing
	ns, pid, start := me[1], me[2], me[3]
	inode, err := strconv.ParseUint(ns, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	other := strconv.FormatUint(inode+1<<20, 10)
	tests := []struct {
		name   string
		what   string
		locked bool
		alive  bool // after the next use
		left   bool // after the next use when it is empty
	}{
		{"spawn-" + ns + "-" + pid + "-" + start + "-1", "its owner lives, though its descriptor was closed", false, true, true},
		{"spawn-" + ns + "-" + pid + "-1-2", "its owner's pid is another process's", false, false, false},
		{"spawn-" + ns + "-" + pid + "-1-3", "it is locked", true, true, true},
		{"spawn-" + ns + "-" + strconv.Itoa(ended.ProcessState.Pid()) + "-1-4", "its owner has ended", false, false, false},
		{"spawn-" + ns + "-" + strconv.Itoa(ended.ProcessState.Pid()) + "-1-7", "its owner has ended, and a child has the lock", true, false, false},
		{"spawn-" + other + "-" + pid + "-1-5", "its owner can't be looked for", false, true, false},
		{"spawn-" + ns + "-" + pid + "-0-6", "its owner's start is not known", false, true, false},
		{"spawn-12-3", "it has no owner", false, true, true},
		{"spawn-a-b-c-d", "it has another's name", false, true, true},
	}
	var cmds []*exec.Cmd
	for _, test := range tests {
		dir := filepath.Join(g, test.name)
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		f, err := os.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		c := &exec.Cmd{Path: "/bin/sleep", Args: []string{"sleep", "60"}, Attr: attr.List{attr.Cgroup{Dir: f}}}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		cmds = append(cmds, c)
		if !test.locked {
			continue
		}
		if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	runTree(t, g)
	for i, test := range tests {
		if test.alive && testenv.IsOver(cmds[i].Process.Pid) {
			t.Errorf("%s: it was ended", test.what)
		}
		if !test.alive {
			useUntil(t, g, func() bool { return testenv.IsOver(cmds[i].Process.Pid) })
		}
		_ = cmds[i].Process.Kill() // it may have ended
		_ = cmds[i].Wait()         // killed
	}
	runTree(t, g)
	for _, test := range tests {
		there := func() bool { _, err := os.Stat(filepath.Join(g, test.name)); return err == nil }
		if test.left && !there() {
			t.Errorf("%s: the empty group was removed", test.what)
		}
		if !test.left {
			useUntil(t, g, func() bool { return !there() })
		}
	}
}

// TestTreeDropped has a Cmd with a tree that nobody waits for, but for the process.
func TestTreeDropped(t *testing.T) {
	if !exec.Features().Has(exec.FeatureTreeCgroup) {
		testenv.Skip(t, "no control group can be made")
	}
	before := len(inventory())
	func() {
		c := exec.Command("true")
		c.Tree = true
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Process.Wait(); err != nil {
			t.Error(err)
		}
	}()
	for len(inventory()) > before {
		runtime.GC()
		time.Sleep(time.Millisecond)
	}
}

// eachKill runs a test with cgroup.kill, and as before Linux 5.14.
func eachKill(t *testing.T, f func(t *testing.T)) {
	t.Run("cgroup.kill", f)
	defer exec.ForceNoCgroupKill()()
	t.Run("freeze", f)
}

// TestTreeNested has a tree make control groups of its own, deeper than a path can
// name, and put processes into them.
func TestTreeNested(t *testing.T) {
	parent := testGroup(t)
	dir, err := os.Open(parent)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	eachKill(t, func(t *testing.T) {
		defer exec.ForceParent(parent)()
		const script = `
			cd "$0"/spawn-* || exit
			mkdir -p a/b/c x y/1 y/2 y/3
			setsid sh -c 'echo 0 >a/b/cgroup.procs; echo $$; exec sleep 60' &
			setsid sh -c 'echo 0 >y/2/cgroup.procs; echo $$; exec sleep 60' &
			ten() { printf "$1/$1/$1/$1/$1/$1/$1/$1/$1/$1"; }
			name=$(ten $(printf %0100d 0))
			for i in 1 2 3 4 5; do mkdir -p $name && cd -P $name || exit; done
			echo deep
			wait`
		c := exec.Command("/bin/sh", "-c", script, parent)
		c.Tree = true
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := readPids(t, out, 3)
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
		_ = c.Wait() // killed
		if err := c.TreeHolds(); err != nil {
			t.Error(err)
		}
		var pids []string
		for _, l := range lines {
			if l != "deep" {
				pids = append(pids, l)
			}
		}
		mustBeGone(t, pids, 2)
		if left := groupsIn(parent); left != nil || len(lines) != 3 {
			t.Errorf("left: %q, %q", left, lines)
		}
	})
}

// TestTreeNestedForeign has a directory in a tree that is another user's: it can't
// be removed, which is said, and all else goes on.
func TestTreeNestedForeign(t *testing.T) {
	g := testGroup(t)
	if os.Geteuid() != 0 {
		testenv.Skip(t, "needs root")
	}
	delegate(t, g)
	c := asNobody(t, g, "tree", "read x; :")
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := readPids(t, out, 2)
	for _, dir := range groupsIn(g) {
		if err := os.MkdirAll(filepath.Join(dir, "root", "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	in.Close()
	lines = append(lines, readPids(t, out, 3)...)
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
	want := []string{"feature true", "held yes", "run <nil>", "afterwards permission", "strict true false true"}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("got %q", lines)
	}
}

// TestTreeForks ends processes that do nothing but fork and end.
func TestTreeForks(t *testing.T) {
	if !exec.Features().Has(exec.FeatureTreeCgroup) {
		testenv.Skip(t, "no control group can be made")
	}
	eachKill(t, func(t *testing.T) {
		// Each of them would get to an end, which is not to be.
		script := filepath.Join(t.TempDir(), "script")
		const forks = `if [ $1 -gt 0 ]; then sh "$0" $(($1-1)) & else echo >"$0.end"; fi`
		if err := os.WriteFile(script, []byte(forks), 0o644); err != nil {
			t.Fatal(err)
		}
		c := exec.Command("/bin/sh", "-c", `for i in 1 2 3 4 5 6 7 8 9 10; do setsid sh "$0" 1000 & done; echo on; wait`, script)
		c.Tree = true
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		readPids(t, out, 1)
		time.Sleep(20 * time.Millisecond) // for it to be at it; it need not
		if err := c.Kill(); err != nil {
			t.Error(err)
		}
		testenv.Eventually(t, "the tree is empty", func() bool { return !exec.TreePopulated(c) })
		if _, err := os.Stat(script + ".end"); err == nil {
			t.Error("it has survived")
		}
		_ = c.Wait() // killed
		if err := c.TreeHolds(); err != nil {
			t.Error(err)
		}
	})
}

// TestTreeReapedByUser has the leader reaped behind the back of Cmd: what it has
// made is killed all the same.
func TestTreeReapedByUser(t *testing.T) { eachTree(t, testTreeReapedByUser) }

func testTreeReapedByUser(t *testing.T) {
	c := exec.Command("/bin/sh", "-c", family)
	c.Tree = true
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pids := readPids(t, out, 3)
	if _, err := c.Process.Wait(); err != nil {
		t.Fatal(err)
	}
	if c.TreeHolds() != nil && !testenv.PidfdGroups() {
		for _, p := range pids[1:] {
			_ = syscall.Kill(number(p), syscall.SIGKILL)
		}
		_ = c.Wait() // it was reaped
		testenv.Skip(t, "pidfds don't signal groups before Linux 6.9")
	}
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	if err := c.Wait(); err == nil != spawn.Features().Has(spawn.FeaturePidfdInfo) || err != nil && !errors.Is(err, spawn.ErrStatusTaken) {
		t.Errorf("Wait: %v", err)
	}
	mustBeGone(t, pids, 3)
}

// needReapedGroups skips a test where nobody knows the group of a child that was reaped.
func needReapedGroups(t *testing.T) {
	t.Helper()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	if !tree.Holds().Certain() && !testenv.PidfdGroups() {
		testenv.Skip(t, "pidfds don't signal groups before Linux 6.9")
	}
}
