//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// limited makes a tree with limits, and skips the test where none can be set. .ci/trees
// runs these tests on a kernel that has the controllers.
func limited(t *testing.T, l spawn.Limits) *spawn.Tree {
	t.Helper()
	tree, err := spawn.NewTree(l)
	var e *spawn.TreeLimitError
	if errors.As(err, &e) {
		testenv.Skip(t, "no limits of "+e.Controller)
	}
	if err != nil {
		t.Fatal(err)
	}
	closeAtEnd(t, tree)
	return tree
}

var (
	eatMemory = testenv.RegisterHelper("eat memory", func(args []string) int {
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return testenv.Status(err)
		}
		var all [][]byte
		for range n {
			all = append(all, bytes.Repeat([]byte{1}, 1<<20))
		}
		return len(all) & 1
	})
	burn = testenv.RegisterHelper("burn in a tree", func(args []string) int {
		for begin := time.Now(); time.Since(begin) < time.Second; {
		}
		return 0
	})
	// It forks as many children as it can, each of which does the same.
	bomb = testenv.RegisterHelper("bomb", func(args []string) int {
		self, err := os.Executable()
		if err != nil {
			return testenv.Status(err)
		}
		for {
			p, err := os.StartProcess(self, testenv.HelperArgs(args[0], args[0]), &os.ProcAttr{})
			if err == nil {
				_ = p.Release() // nobody waits for it
			} else {
				time.Sleep(time.Millisecond)
			}
		}
	})
)

// helperIn is a helper in a tree.
func helperIn(t *testing.T, tree *spawn.Tree, name string, args ...string) *spawn.Spec {
	t.Helper()
	s := spawntest.Helper(t, name, args...)
	s.Attr = append(s.Attr, tree.Attr())
	return s
}

// neighbour is a process beside a tree, which must live as long as the test.
func neighbour(t *testing.T) {
	t.Helper()
	tree := newTree(t, spawn.Limits{})
	p := startIn(t, tree, "sleep 600")
	t.Cleanup(func() {
		if testenv.IsOver(p.Pid()) {
			t.Error("the neighbour has died")
		}
	})
}

// TestTreeMemory has a hog in a tree that limits memory: the kernel kills it, which its
// state says, and nobody else.
func TestTreeMemory(t *testing.T) {
	neighbour(t)
	tree := limited(t, spawn.Limits{Memory: 64 << 20, Swap: -1})
	state, err := spawn.Run(t.Context(), helperIn(t, tree, eatMemory, "16"))
	if err != nil || !state.Exited() || state.OOMKilled() {
		t.Errorf("within the limit: %v, %v", state, err)
	}
	state, err = spawn.Run(t.Context(), helperIn(t, tree, eatMemory, "256"))
	if err != nil || state.Signal() != unix.SIGKILL || !state.OOMKilled() {
		t.Errorf("a hog: %v, %v", state, err)
	}
	p, err := spawn.Start(t.Context(), inTree(tree, "sleep 600"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Kill(); err != nil {
		t.Error(err)
	}
	if state := waitFor(t, p); state.OOMKilled() {
		t.Error("a child that was killed by this process counts as one killed for memory")
	}
	u, err := tree.Usage()
	if err != nil || u.OOMKills < 1 {
		t.Errorf("got %+v, %v", u, err)
	}
	if peak := u.MemoryPeak; peak > 66<<20 || peak < 16<<20 && !missing(u, "memory.peak") {
		t.Errorf("a peak of %d bytes", peak)
	}
	t.Logf("%+v", u)
}

func missing(u spawn.Usage, file string) bool {
	for _, f := range u.Missing {
		if f == file {
			return true
		}
	}
	return false
}

// TestTreeOOMGroup has the kernel end the whole tree for one hog in it.
func TestTreeOOMGroup(t *testing.T) {
	neighbour(t)
	tree := limited(t, spawn.Limits{Memory: 64 << 20, Swap: -1, OOMGroup: true})
	other := startIn(t, tree, "sleep 600")
	state, err := spawn.Run(t.Context(), helperIn(t, tree, eatMemory, "256"))
	if err != nil || !state.OOMKilled() {
		t.Errorf("a hog: %v, %v", state, err)
	}
	if state := waitFor(t, other); !state.OOMKilled() {
		t.Errorf("another of the tree: %v", state)
	}
}

// TestTreeBomb has a fork bomb in a tree that limits processes: it stays below the limit,
// others can fork, and nothing of it is left.
func TestTreeBomb(t *testing.T) {
	neighbour(t)
	const most = 50
	tree := limited(t, spawn.Limits{Procs: most})
	p, err := spawn.Start(t.Context(), helperIn(t, tree, bomb, bomb))
	if err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the limit is reached", func() bool {
		_, err := spawn.Run(context.Background(), inTree(tree, "exit 0"))
		return errors.Is(err, unix.EAGAIN)
	})
	if _, err := spawn.Run(t.Context(), inTree(newTree(t, spawn.Limits{}), "exit 0")); err != nil {
		t.Errorf("beside the tree: %v", err)
	}
	if left, err := tree.Kill(); left != 0 || err != nil {
		t.Errorf("%d are left, %v", left, err)
	}
	waitFor(t, p)
	u, err := tree.Usage()
	if err != nil || u.ProcsPeak > most || u.ProcsPeak < most/2 && !missing(u, "pids.peak") {
		t.Errorf("got %+v, %v", u, err)
	}
	t.Logf("%+v", u)
}

// TestTreeCPU has a child burn what it gets: a fifth of a processor.
func TestTreeCPU(t *testing.T) {
	tree := limited(t, spawn.Limits{CPU: 0.2})
	if _, err := spawn.Run(t.Context(), helperIn(t, tree, burn)); err != nil {
		t.Fatal(err)
	}
	u, err := tree.Usage()
	if err != nil || u.Throttled == 0 || u.User+u.System > 900*time.Millisecond {
		t.Errorf("got %+v, %v", u, err)
	}
	t.Logf("%+v", u)
}

// TestTreeFiles wants the files of a group to say what the limits say.
func TestTreeFiles(t *testing.T) {
	checkFiles(t, spawn.Limits{Memory: 1 << 30, Swap: 1 << 20, Procs: 77, CPU: 1.5, OOMGroup: true}, map[string]string{
		"memory.max": "1073741824", "memory.swap.max": "1048576", "pids.max": "77", "cpu.max": "150000 100000", "memory.oom.group": "1",
	})
}

// TestTreeIOWeight is TestTreeFiles for the one that not all kernels have.
func TestTreeIOWeight(t *testing.T) {
	checkFiles(t, spawn.Limits{IOWeight: 50}, map[string]string{"io.weight": "default 50"})
}

// checkFiles wants limits to become files.
func checkFiles(t *testing.T, l spawn.Limits, files map[string]string) {
	t.Helper()
	before := treeDirsIn(t)
	limited(t, l)
	dirs := treeDirsIn(t)
	if len(dirs) != len(before)+1 {
		t.Fatalf("%q, %q before", dirs, before)
	}
	for _, dir := range dirs {
		if strings.Contains(fmt.Sprint(before), dir) {
			continue
		}
		for file, want := range files {
			got, err := os.ReadFile(filepath.Join(dir, file))
			if err != nil || strings.TrimSpace(string(got)) != want {
				t.Errorf("%s: %q, %v", file, got, err)
			}
		}
	}
}

// treeDirsIn lists the control groups of this process's trees, below its own group and
// beside it.
func treeDirsIn(t *testing.T) (dirs []string) {
	t.Helper()
	own, err := cgroup.Own()
	if err != nil {
		testenv.Skip(t, "no control groups")
	}
	for _, dir := range []string{own, filepath.Dir(own)} {
		list, err := filepath.Glob(filepath.Join(dir, cgroup.OwnPrefixForTest()+"*"))
		if err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, list...)
	}
	return dirs
}

var delegates = testenv.RegisterHelper("delegate", func([]string) int {
	_, err := spawn.NewTree(spawn.Limits{Memory: 1 << 30})
	var e *spawn.TreeLimitError
	fmt.Println("before", errors.As(err, &e) && errors.Is(err, unix.EBUSY) && strings.Contains(e.Why, strconv.Itoa(os.Getpid())))
	fmt.Println("feature", spawn.Features().Has(spawn.FeatureTreeLimits))
	for range 2 { // the second changes nothing
		if err := spawn.DelegateCgroup(); err != nil {
			return testenv.Status(err)
		}
	}
	tree, err := spawn.NewTree(spawn.Limits{Memory: 64 << 20, Procs: 20})
	if err != nil {
		return testenv.Status(err)
	}
	state, err := spawn.Run(context.Background(), inTree(tree, "exit 6"))
	fmt.Println("after", state.ExitCode() == 6, err)
	fmt.Println("feature", spawn.Features().Has(spawn.FeatureTreeLimits))
	return testenv.Status(tree.Close())
})

// TestTreeDelegate has a process alone in a group that has the controllers: it is in the
// way itself, which the error says, until it has moved into a leaf.
func TestTreeDelegate(t *testing.T) {
	dir := groupWithControllers(t)
	t.Cleanup(func() { testenv.RemoveCgroup(t, filepath.Join(dir, "spawn.leaf")) })
	out := outputIn(t, dir, delegates)
	if want := "before true\nfeature false\nafter true <nil>\nfeature true\n"; out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// groupWithControllers makes a control group that has the controllers of limits, and none
// of them on for those below it. The test is skipped where there are none.
func groupWithControllers(t *testing.T) (dir string) {
	t.Helper()
	limited(t, spawn.Limits{Memory: 1 << 30}) // so that the controllers are on
	own, err := cgroup.Own()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(own, "cgroup.subtree_control"), []byte("+memory +pids +cpu"), 0); err != nil {
		t.Fatal(err)
	}
	if dir, err = os.MkdirTemp(own, "test-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testenv.RemoveCgroup(t, dir) })
	return dir
}

// outputIn is the output of a helper in a control group.
func outputIn(t *testing.T, dir, name string) string {
	t.Helper()
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := spawntest.Helper(t, name)
	s.Attr = attr.List{attr.Cgroup{Dir: f}}
	return spawntest.Output(t, s)
}

var beside = testenv.RegisterHelper("trees beside a leaf", func([]string) int {
	tree, err := spawn.NewTree(spawn.Limits{Memory: 1 << 30})
	if e := (*spawn.TreeLimitError)(nil); errors.As(err, &e) {
		fmt.Println("none")
		return 0
	} else if err != nil {
		return testenv.Status(err)
	}
	own, err := cgroup.Own()
	list, gerr := filepath.Glob(filepath.Join(filepath.Dir(own), cgroup.OwnPrefixForTest()+"*"))
	fmt.Println(len(list), "beside")
	return testenv.Status(errors.Join(err, gerr, tree.Close()))
})

// TestTreeBesideLeaf has a process alone in a leaf of a group that was given away, as by
// systemd's DelegateSubgroup=: an extended attribute of the group says so.
func TestTreeBesideLeaf(t *testing.T) {
	for _, name := range []string{"trusted.delegate", "user.delegate"} {
		dir := groupWithControllers(t)
		leaf := filepath.Join(dir, "main")
		if err := os.Mkdir(leaf, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { testenv.RemoveCgroup(t, leaf) })
		if out := outputIn(t, leaf, beside); out != "none\n" {
			t.Errorf("not given away: %q", out)
		}
		if err := unix.Setxattr(dir, name, []byte("1"), 0); err != nil {
			testenv.Skip(t, name+": "+err.Error()) // before Linux 5.7
		}
		if out := outputIn(t, leaf, beside); out != "1 beside\n" {
			t.Errorf("%s: %q", name, out)
		}
	}
}
