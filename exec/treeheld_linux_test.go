//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("tree", treeHelper)
	testenv.RegisterHelper("two trees", func(args []string) int {
		treeHelper(args)
		if err := os.WriteFile(filepath.Join(args[1], "cgroup.max.descendants"), []byte("max"), 0); err != nil {
			return status(err)
		}
		return treeHelper(args)
	})
}

// treeHelper runs a shell script in a tree, with its own standard input, and
// prints what came of it.
func treeHelper(args []string) int {
	c := exec.Command("/bin/sh", "-c", args[0])
	c.Stdin, c.Tree = os.Stdin, true
	fmt.Println("feature", exec.Features().Has(exec.FeatureTreeCgroup))
	out, err := c.StdoutPipe()
	if err != nil {
		return status(err)
	}
	if err := c.Start(); err != nil {
		return status(err)
	}
	fmt.Println("held", held(c))
	_, err = os.Stdout.ReadFrom(out)
	fmt.Println("run", errors.Join(err, c.Wait()))
	fmt.Println("afterwards", held(c))
	c = exec.Command("/bin/true")
	c.TreeStrict = true
	err = c.Run()
	fmt.Println("strict", err == nil, errors.Is(err, exec.ErrTreeNotHeld), c.Process != nil)
	return 0
}

// held is what TreeHolds says, in a word.
func held(c *exec.Cmd) string {
	err := c.TreeHolds()
	switch {
	case err == nil:
		return "yes"
	case !errors.Is(err, exec.ErrTreeNotHeld):
		return "other: " + err.Error()
	case errors.Is(err, fs.ErrPermission):
		return "permission"
	case errors.Is(err, unix.EAGAIN):
		return "again"
	case errors.Is(err, fs.ErrNotExist):
		return "nowhere"
	case errors.Is(err, errors.ErrUnsupported):
		return "unsupported"
	}
	return "no: " + err.Error()
}

// needNamespaces skips what needs namespaces, by attributes that the engine alone has.
func needNamespaces(t *testing.T, flags uint) {
	t.Helper()
	testenv.NeedRoot(t)
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "needs the engine")
	}
	c := exec.Command("true")
	c.Attr = attr.List{attr.Namespaces{Flags: flags}}
	if err := c.Run(); err != nil {
		testenv.SkipNamespaces(t, flags, err)
	}
}

// testGroup makes a control group for a test, in which trees of others are not
// looked for.
func testGroup(t *testing.T) string {
	t.Helper()
	parent, err := exec.OwnCgroup()
	if err != nil {
		testenv.Skip(t, "no control group can be made: no cgroup v2")
	}
	dir := filepath.Join(parent, fmt.Sprintf("test-%d-%x", os.Getpid(), rand.Uint64()))
	if err := os.Mkdir(dir, 0o755); err != nil {
		testenv.Skip(t, "no control group can be made: "+errors.Unwrap(err).Error())
	}
	t.Cleanup(func() {
		for range 1000 {
			if endAll(dir) == nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Errorf("%s can't be removed", dir)
	})
	return dir
}

// endAll kills all in a control group and those below, and removes them. There is
// no cgroup.kill before Linux 5.14.
func endAll(dir string) error {
	for _, g := range groupsIn(dir) {
		_ = endAll(g) // then dir can't be removed, either
	}
	procs, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	for _, pid := range strings.Fields(string(procs)) {
		_ = syscall.Kill(number(pid), syscall.SIGKILL) // it may be gone
	}
	return os.Remove(dir)
}

// groupsIn is the control groups in one.
func groupsIn(dir string) (list []string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list
}

// inGroup is a helper that is run in a control group.
func inGroup(t *testing.T, group string, more attr.List, name string, args ...string) *exec.Cmd {
	t.Helper()
	dir, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs(name, args...), Attr: append(attr.List{attr.Cgroup{Dir: dir}}, more...)}
}

// values runs c, which prints lines of a name and a value.
func values(t *testing.T, c *exec.Cmd) map[string]string {
	t.Helper()
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v, %s%s", err, out, stderr.Bytes())
	}
	m := map[string]string{}
	for line := range strings.Lines(string(out)) {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		m[name] = value
	}
	return m
}

// mustSay compares some of what a helper printed.
func mustSay(t *testing.T, got map[string]string, want ...string) {
	t.Helper()
	for i := 0; i < len(want); i += 2 {
		if got[want[i]] != want[i+1] {
			t.Errorf("%s is %q, want %q", want[i], got[want[i]], want[i+1])
		}
	}
}

// loose is what is said of a tree that has no control group.
func loose(why string) []string {
	return []string{"feature", "false", "held", why, "run", "<nil>", "afterwards", why, "strict", "false true false"}
}

// where is a script that prints the control group that it is in.
const where = `sed -n 's/^0::/path /p' /proc/self/cgroup`

// TestTreeHeld finds a tree in a control group that is made for it, and nothing
// of it afterwards.
func TestTreeHeld(t *testing.T) {
	g := testGroup(t)
	got := values(t, inGroup(t, g, nil, "tree", where))
	mustSay(t, got, "feature", "true", "held", "yes", "run", "<nil>", "afterwards", "yes", "strict", "true false true")
	if !strings.Contains(got["path"], filepath.Base(g)+"/spawn-") {
		t.Errorf("in %s", got["path"])
	}
	if left := groupsIn(g); left != nil {
		t.Errorf("left: %q", left)
	}
}

// TestTreeNameTaken has groups with names that the next ones would get.
func TestTreeNameTaken(t *testing.T) {
	if !exec.Features().Has(exec.FeatureTreeCgroup) {
		testenv.Skip(t, "no control group can be made")
	}
	next := []uint64{7, 7, 7, 8, 7, 8, 9}
	defer exec.ForceNames(func() uint64 { n := next[0]; next = next[1:]; return n })()
	var cmds []*exec.Cmd
	for range 3 {
		c := exec.Command("/bin/cat")
		c.Tree = true
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		cmds = append(cmds, c)
	}
	for _, c := range cmds {
		if err := c.TreeHolds(); err != nil {
			t.Error(err)
		}
		_ = c.Kill() // Wait says it
		_ = c.Wait() // it was killed
	}
}

// TestTreeRefusedForAMoment has a limit that is lifted: the tree that was refused
// says so, and the next one is held.
func TestTreeRefusedForAMoment(t *testing.T) {
	g := testGroup(t)
	if err := os.WriteFile(filepath.Join(g, "cgroup.max.descendants"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	mustSay(t, values(t, inGroup(t, g, nil, "tree", "")), loose("again")...)
	mustSay(t, values(t, inGroup(t, g, nil, "two trees", "", g)), "feature", "true", "held", "yes", "strict", "true false true")
}

// TestTreeWithoutPermission is about users to whom nothing is delegated.
func TestTreeWithoutPermission(t *testing.T) {
	g := testGroup(t)
	if os.Geteuid() != 0 {
		testenv.Skip(t, "needs root")
	}
	mustSay(t, values(t, asNobody(t, g, "tree", "")), loose("permission")...)
	if err := os.Chown(g, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	// To make a directory is not enough: the child is also moved out of ours.
	mustSay(t, values(t, asNobody(t, g, "tree", "")), loose("permission")...)
	delegate(t, g)
	mustSay(t, values(t, asNobody(t, g, "tree", "")), "feature", "true", "held", "yes", "strict", "true false true")
}

// delegate lets nobody make trees in a control group.
func delegate(t *testing.T, g string) {
	t.Helper()
	for _, path := range []string{g, filepath.Join(g, "cgroup.procs")} {
		if err := os.Chown(path, 65534, 65534); err != nil {
			t.Fatal(err)
		}
	}
}

// asNobody is inGroup for a user who may not be able to reach the test binary.
func asNobody(t *testing.T, group, name string, args ...string) *exec.Cmd {
	t.Helper()
	c := inGroup(t, group, attr.List{attr.Credential{UID: 65534, GID: 65534}}, name, args...)
	program, err := os.ReadFile(c.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c.Path, c.Dir = filepath.Join(dir, "helper"), "/"
	if err := errors.Join(os.Chmod(filepath.Dir(dir), 0o755), os.WriteFile(c.Path, program, 0o755)); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestTreeThreaded is in a group below which only threaded ones are possible: they
// can be made, but no process in them.
func TestTreeThreaded(t *testing.T) {
	g := testGroup(t)
	threads := filepath.Join(g, "threads")
	if err := os.Mkdir(threads, 0o755); err != nil {
		t.Fatal(err)
	}
	c := inGroup(t, g, nil, "tree", where)
	if err := os.WriteFile(filepath.Join(threads, "cgroup.type"), []byte("threaded"), 0); err != nil {
		t.Fatal(err)
	}
	got := values(t, c)
	mustSay(t, got, loose(got["held"])...)
	if got["held"] == "yes" || !strings.HasSuffix(got["path"], "/"+filepath.Base(g)) {
		t.Errorf("held %q in %s", got["held"], got["path"])
	}
	if left := groupsIn(g); len(left) != 1 {
		t.Errorf("left: %q", left)
	}
}

// TestTreeNamespace is in a cgroup namespace, with the mount from outside of it:
// what has no name there is not to be taken for its root.
func TestTreeNamespace(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWCGROUP)
	g := testGroup(t)
	space := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWCGROUP}}
	got := values(t, inGroup(t, g, space, "tree", where))
	mustSay(t, got, append(loose("nowhere"), "path", "/")...)
}

// TestTreeNamespaceMounted has the namespace's own mount over the outer one.
func TestTreeNamespaceMounted(t *testing.T) {
	const flags = unix.CLONE_NEWCGROUP | unix.CLONE_NEWNS
	needNamespaces(t, flags)
	g := testGroup(t)
	space := attr.List{
		attr.Unshare{Flags: flags},
		// On one of its own the kernel doesn't mount a file system.
		attr.Mounts{
			{Source: "tmpfs", Target: filepath.Dir(g), FSType: "tmpfs"},
			{Source: "cgroup2", Target: filepath.Dir(g), FSType: "cgroup2"},
		},
	}
	got := values(t, inGroup(t, g, space, "tree", where))
	mustSay(t, got, "feature", "true", "held", "yes")
	if !strings.HasPrefix(got["path"], "/spawn-") {
		t.Errorf("in %s", got["path"])
	}
	if left := groupsIn(g); left != nil {
		t.Errorf("left: %q", left)
	}
}

// TestTreeHiddenMount has something else over the mount.
func TestTreeHiddenMount(t *testing.T) {
	needNamespaces(t, unix.CLONE_NEWNS)
	g := testGroup(t)
	hidden := attr.List{
		attr.Unshare{Flags: unix.CLONE_NEWNS},
		attr.Mounts{{Source: "tmpfs", Target: filepath.Dir(g), FSType: "tmpfs"}},
	}
	mustSay(t, values(t, inGroup(t, g, hidden, "tree", "")), loose("nowhere")...)
}

// TestTreeElsewhere puts the child into a group of the caller's.
func TestTreeElsewhere(t *testing.T) {
	dir, err := os.Open(testGroup(t))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	for _, strict := range []bool{false, true} {
		for _, c := range []*exec.Cmd{
			{Path: "/bin/true", Attr: attr.List{attr.Cgroup{Dir: dir}}},
			{Path: "/bin/true", SysProcAttr: &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}},
		} {
			c.Tree, c.TreeStrict = !strict, strict
			err := c.Run()
			if strict {
				if !errors.Is(err, exec.ErrTreeNotHeld) {
					t.Errorf("strict: %v", err)
				}
				continue
			}
			if err != nil || !errors.Is(c.TreeHolds(), exec.ErrTreeNotHeld) {
				t.Errorf("%v, %v", err, c.TreeHolds())
			}
		}
	}
}

// TestTreeHoldsNot is asked of what is no tree.
func TestTreeHoldsNot(t *testing.T) {
	c := exec.Command("true")
	if c.TreeHolds() == nil {
		t.Error("before Start")
	}
	if err := c.Run(); err != nil || c.TreeHolds() == nil {
		t.Errorf("without Tree: %v", err)
	}
	defer exec.ForceNoCgroup()()
	c = exec.Command("true")
	c.TreeStrict = true
	if err := c.Run(); !errors.Is(err, exec.ErrTreeNotHeld) || !errors.Is(err, errors.ErrUnsupported) || c.Process != nil {
		t.Errorf("without cgroup v2: %v", err)
	}
}
