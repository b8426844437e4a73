//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	spawnexec "github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// delegated is a control group that is nobody's.
func delegated(t *testing.T) *os.File {
	t.Helper()
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS)
	dir, _ := testenv.NewCgroup(t)
	if _, err := os.Lstat(filepath.Join(dir.Name(), "cgroup.kill")); err != nil {
		testenv.Skip(t, "no cgroup.kill")
	}
	for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		if err := os.Chown(filepath.Join(dir.Name(), file), testenv.Nobody, testenv.Nobody); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, sub := range subgroups(dir) {
			below, _ := filepath.Glob(filepath.Join(sub, "spawn-*")) // those of Cmds
			for _, path := range append(below, sub) {
				testenv.RemoveCgroup(t, path)
			}
		}
	})
	return dir
}

// subgroups are the control groups in one.
func subgroups(dir *os.File) []string {
	list, _ := filepath.Glob(filepath.Join(dir.Name(), "spawn-*"))
	return list
}

// emptied waits until nobody is in the control groups in one: a process that is ending is in
// its group for longer than in its namespaces.
func emptied(t *testing.T, dir *os.File) {
	t.Helper()
	testenv.Eventually(t, "nobody in the groups", func() bool {
		return !slices.ContainsFunc(subgroups(dir), func(sub string) bool {
			events, _ := os.ReadFile(filepath.Join(sub, "cgroup.events"))
			return strings.Contains(string(events), "populated 1")
		})
	})
}

// byNobodyIn is a helper that nobody runs in a control group.
func byNobodyIn(t *testing.T, dir *os.File, binary, name string, args ...string) *spawn.Spec {
	t.Helper()
	s := spawntest.Helper(t, name, args...)
	s.Path = binary
	s.Attr = append(s.Attr, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.Cgroup{Dir: dir})
	return s
}

// TestDieGuardedAtRandomMoments kills parents without privilege, with SIGKILL, while they
// start trees. Nothing survives, and no guardian. The next parent removes the groups.
func TestDieGuardedAtRandomMoments(t *testing.T) {
	spawntest.NeedBest(t)
	dir, binary := delegated(t), spawntest.PublicBinary(t)
	for i := range testenv.Rounds(12, 1000) {
		after := time.Duration(rand.Int64N(int64(20 * time.Millisecond)))
		if i%4 == 3 { // perhaps before there is a guardian
			after = -after
		}
		link := killedSpec(t, after, byNobodyIn(t, dir, binary, "starts until it is killed", "strict"))
		testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })
		emptied(t, dir)
		if n := len(subgroups(dir)); n > 1 {
			t.Fatalf("%d groups are left", n)
		}
	}
}

// guardsOf are the guardians of a process.
func guardsOf(pid int) (pids []int) {
	processes(func(p int, name, parent string) {
		if name == "spawn-guard" && parent == strconv.Itoa(pid) {
			pids = append(pids, p)
		}
	})
	return pids
}

// groupOf is the control group of a process.
func groupOf(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	_, path, _ := strings.Cut(string(text), "0::")
	path, _, _ = strings.Cut(path, "\n")
	return path
}

var _ = testenv.RegisterHelper("has one guardian", func([]string) int {
	if err := hasOneGuardian(); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

func hasOneGuardian() error {
	if !spawn.Features().Has(spawn.FeatureDieWithParent) {
		return errors.New("Features has no means")
	}
	if n := len(guardsOf(os.Getpid())); n != 0 {
		return fmt.Errorf("Features has made %d guardians", n)
	}
	p, err := spawn.Compile(&spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "1000"}, Attr: attr.List{attr.DieWithParent{Strict: true}}})
	if err != nil {
		return err
	}
	fds := 0
	for i := range 5 {
		c, err := p.Start(context.Background())
		if err != nil {
			return err
		}
		guards := oneOf(guardsOf)
		if len(guards) != 1 || groupOf(guards[0]) != groupOf(c.Pid()) || groupOf(c.Pid()) == groupOf(os.Getpid()) {
			return fmt.Errorf("guardians %v, child in %s", guards, groupOf(c.Pid()))
		}
		if err := c.Kill(); err != nil {
			return err
		}
		if _, err := c.Wait(context.Background()); err != nil {
			return err
		}
		if n := len(testenv.OpenFDs()); i > 0 && n != fds {
			return fmt.Errorf("%d descriptors, then %d", fds, n)
		} else {
			fds = n
		}
		if i == 2 { // the next start has another one
			_ = unix.Kill(guards[0], unix.SIGKILL)
			if !testenv.Soon(func() bool { return testenv.IsOver(guards[0]) }) {
				return errors.New("the guardian lives")
			}
		}
	}
	return nil
}

// Any number of starts have one guardian, which is replaced when somebody kills it.
func TestDieGuardedHasOneGuardian(t *testing.T) {
	spawntest.NeedBest(t)
	spawntest.Succeeds(t, byNobodyIn(t, delegated(t), spawntest.PublicBinary(t), "has one guardian"))
}

var _ = testenv.RegisterHelper("has a guarded tree", func(args []string) int {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return testenv.Status(err)
	}
	s := spawntest.Shell(forkTwice+"exec sleep 1000", tree.Attr(), attr.DieWithParent{Strict: true})
	before := len(guardsOf(os.Getpid()))
	for range 2 {
		if _, err := spawn.Start(context.Background(), s); err != nil {
			return testenv.Status(err)
		}
	}
	if n := len(oneOf(guardsOf)); before != 0 || n != 1 {
		fmt.Println(before, n, "guardians")
		return 1
	}
	if args[0] == "close" {
		if err := tree.Close(); err != nil {
			return testenv.Status(err)
		}
		if !testenv.Soon(func() bool { return len(guardsOf(os.Getpid())) == 0 }) {
			return 1
		}
		return 0
	}
	fmt.Println("started")
	time.Sleep(time.Hour)
	return 0
})

// A Tree has a guardian of its own, which is not in it, and ends with it.
func TestDieGuardedTree(t *testing.T) {
	spawntest.NeedBest(t)
	dir, binary := delegated(t), spawntest.PublicBinary(t)
	spawntest.Succeeds(t, byNobodyIn(t, dir, binary, "has a guarded tree", "close"))
	if left := subgroups(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	link := killedSpec(t, 0, byNobodyIn(t, dir, binary, "has a guarded tree", "wait"))
	testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })
}

var _ = testenv.RegisterHelper("drops a guarded tree", func([]string) int {
	r, w, err := os.Pipe()
	if err != nil {
		return testenv.Status(err)
	}
	err = func() error {
		defer r.Close()
		tree, err := spawn.NewTree(spawn.Limits{})
		if err != nil {
			return err
		}
		s := spawntest.Shell("read x <&3 & exit", tree.Attr(), attr.DieWithParent{Strict: true})
		_, err = spawn.Run(context.Background(), spawntest.WithActions(s, func(a *spawn.FileActions) { a.File(r, 3) }))
		return err
	}()
	if err != nil {
		return testenv.Status(err)
	}
	for range 2 { // else it may be garbage only when the child has ended, too
		runtime.GC()
		time.Sleep(10 * time.Millisecond)
	}
	if n := len(oneOf(guardsOf)); n != 1 {
		fmt.Println(n, "guardians while somebody is in the tree")
		return 1
	}
	w.Close()
	over := testenv.Soon(func() bool {
		runtime.GC()
		return len(guardsOf(os.Getpid())) == 0
	})
	if !over {
		fmt.Println("the guardian of a tree that is garbage lives")
		return 1
	}
	return 0
})

// The guardian of a Tree that is garbage ends when the last in the tree has ended.
func TestDieGuardedTreeDropped(t *testing.T) {
	spawntest.NeedBest(t)
	spawntest.Succeeds(t, byNobodyIn(t, delegated(t), spawntest.PublicBinary(t), "drops a guarded tree"))
}

var _ = testenv.RegisterHelper("has Cmds with trees", func([]string) int {
	for range 3 {
		c := spawnexec.Command("/bin/sh", "-c", forkTwice+"exec sleep 1000")
		c.Tree, c.TreeStrict, c.Attr = true, true, attr.List{attr.DieWithParent{Strict: true}}
		if err := c.Start(); err != nil {
			return testenv.Status(err)
		}
		go c.Wait() // for good
	}
	if n := len(oneOf(guardsOf)); n != 1 {
		fmt.Println(n, "guardians")
		return 1
	}
	fmt.Println("started")
	time.Sleep(time.Hour)
	return 0
})

// The trees of any number of Cmds have one guardian, whose group they are in.
func TestDieGuardedCmdTrees(t *testing.T) {
	spawntest.NeedBest(t)
	dir := delegated(t)
	link := killedSpec(t, 0, byNobodyIn(t, dir, spawntest.PublicBinary(t), "has Cmds with trees"))
	testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })
	if left := subgroups(dir); len(left) != 1 {
		t.Errorf("left: %v", left)
	}
}

var _ = testenv.RegisterHelper("can't be guarded", func([]string) int {
	own, err := cgroup.Own()
	if err != nil {
		return testenv.Status(err)
	}
	dir, err := os.Open(own)
	if err != nil {
		return testenv.Status(err)
	}
	for _, list := range []attr.List{
		{attr.Cgroup{Dir: dir}, attr.DieWithParent{Strict: true}}, {attr.DieWithParent{Strict: true}, attr.Cgroup{Dir: dir}},
	} {
		if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list}); !errors.Is(err, errors.ErrUnsupported) {
			fmt.Println(list, err)
			return 1
		}
		for i := range list {
			if _, ok := list[i].(attr.DieWithParent); ok {
				list[i] = attr.DieWithParent{}
			}
		}
		if s, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: list}); err != nil || !s.Success() {
			fmt.Println(list, err)
			return 1
		}
	}
	return 0
})

// In a group that is not the library's own nobody is guarded, and Strict says so.
func TestDieGuardedInAnotherGroup(t *testing.T) {
	spawntest.Succeeds(t, byNobodyIn(t, delegated(t), spawntest.PublicBinary(t), "can't be guarded"))
}

var _ = testenv.RegisterHelper("is moved", func([]string) int {
	run := func(strict bool) error {
		s := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.DieWithParent{Strict: strict}}}
		_, err := spawn.Run(context.Background(), s)
		return err
	}
	in := bufio.NewReader(os.Stdin)
	for {
		weak, strict, guards := run(false) == nil, run(true) == nil, 0
		if strict {
			guards = 1
		}
		fmt.Println(weak, strict, testenv.Soon(func() bool { return len(guardsOf(os.Getpid())) == guards }))
		if _, err := in.ReadString('\n'); err != nil {
			return 0
		}
	}
})

// A process that is moved to another control group has a guardian in the new one, where
// that is possible, and else none.
func TestDieGuardedMoved(t *testing.T) {
	spawntest.NeedBest(t)
	first, second := delegated(t), delegated(t)
	none, _ := testenv.NewCgroup(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := byNobodyIn(t, first, spawntest.PublicBinary(t), "is moved")
	p, out := spawntest.StartSaying(t, spawntest.WithActions(s, func(a *spawn.FileActions) { a.File(r, 0) }))
	lines := bufio.NewReader(out)
	says := func(want string) {
		t.Helper()
		if line, err := lines.ReadString('\n'); line != want {
			t.Errorf("%q, %v, want %q", line, err, want)
		}
	}
	move := func(to *os.File) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(to.Name(), "cgroup.procs"), []byte(strconv.Itoa(p.Pid())), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteString("\n"); err != nil {
			t.Fatal(err)
		}
	}
	says("true true true\n")
	move(none)
	says("true false true\n")
	if left := subgroups(first); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	move(second)
	says("true true true\n")
	w.Close()
	if state, err := p.Wait(t.Context()); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

// The groups of a parent that has died are removed at the next use.
func TestDieGuardedLeavesNothing(t *testing.T) {
	spawntest.NeedBest(t)
	dir, binary := delegated(t), spawntest.PublicBinary(t)
	link := killedSpec(t, 0, byNobodyIn(t, dir, binary, "starts until it is killed", "strict"))
	testenv.Eventually(t, "no survivors", func() bool { return len(withUTS(link)) == 0 })
	emptied(t, dir)
	before := subgroups(dir)
	if len(before) != 1 {
		t.Fatalf("left: %v", before)
	}
	p, r := spawntest.StartSaying(t, byNobodyIn(t, dir, binary, "starts until it is killed", "strict"))
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := os.Lstat(before[0]); !errors.Is(err, fs.ErrNotExist) || slices.Contains(subgroups(dir), before[0]) {
		t.Errorf("%s is there: %v", before[0], err)
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "the end of all", func() bool {
		text, _ := os.ReadFile(filepath.Join(subgroups(dir)[0], "cgroup.procs"))
		return len(text) == 0
	})
}
