//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec_test

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("tree without descriptors", func(args []string) int { return status(killWithoutDescriptors(args[0])) })
}

// startTree starts a tree in a control group, and returns its pids and the path of the group.
func startTree(t *testing.T) (c *exec.Cmd, pids []string, group string) {
	t.Helper()
	if !exec.Features().Has(exec.FeatureTreeCgroup) {
		testenv.Skip(t, "no control group can be made")
	}
	c = exec.Command("/bin/sh", "-c", scattered)
	c.Tree = true
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	pids = readPids(t, out, 4)
	for _, target := range testenv.OpenFDs() {
		if strings.Contains(target, "/"+exec.OwnPrefix()) {
			group = strings.TrimSuffix(target, "/cgroup.kill")
		}
	}
	if group == "" {
		t.Error("no descriptor of a group")
	}
	return c, pids, group
}

// loseGroups has other code take the descriptors of groups.
func loseGroups(t *testing.T) {
	t.Helper()
	for fd, target := range testenv.OpenFDs() {
		if strings.Contains(target, "/"+exec.OwnPrefix()) {
			takeNumber(t, number(fd))
		}
	}
}

// takeNumber has other code close a descriptor and open something else by its number, which
// looks at its end whether that was left alone.
func takeNumber(t *testing.T, fd int) {
	t.Helper()
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if err := unix.Dup3(int(null.Fd()), fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(fd); err != nil {
			t.Errorf("the other file was closed: %v", err)
		}
	})
}

func mustHold(t *testing.T, c *exec.Cmd) {
	t.Helper()
	_ = c.Wait() // killed
	if err := c.TreeHolds(); err != nil {
		t.Error(err)
	}
}

// TestTreeStrayClose ends a tree after other code has closed its descriptors.
func TestTreeStrayClose(t *testing.T) {
	c, pids, _ := startTree(t)
	loseGroups(t)
	if err := c.Kill(); err != nil {
		t.Error(err)
	}
	mustHold(t, c)
	mustBeGone(t, pids, 4)
}

// TestTreeRemoved has the group of a tree be removed once it is empty, as a process of another
// pid namespace does with a group that is not locked. Nothing of the tree is left then, so it
// has held.
func TestTreeRemoved(t *testing.T) {
	for name, others := range map[string]func(*testing.T){"": func(*testing.T) {}, "and its descriptors closed": loseGroups} {
		t.Run("removed "+name, func(t *testing.T) {
			c, pids, group := startTree(t)
			others(t)
			testenv.Eventually(t, "the group can be removed", func() bool {
				procs, _ := os.ReadFile(filepath.Join(group, "cgroup.procs"))
				for _, pid := range strings.Fields(string(procs)) {
					_ = syscall.Kill(number(pid), syscall.SIGKILL)
				}
				err := unix.Rmdir(group)
				return err == nil || err == unix.ENOENT // somebody was faster
			})
			if err := c.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
			mustHold(t, c)
			mustBeGone(t, pids, 4)
		})
	}
}

// killWithoutDescriptors ends a tree while this process can open nothing.
func killWithoutDescriptors(kind string) error {
	if kind == "group" {
		defer exec.ForceNoCgroup()()
	}
	c := exec.Command("/bin/sh", "-c", scattered)
	if kind == "group" {
		c.Args[2] = family + "wait"
	}
	c.Tree = true
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	_, _ = os.Stat("/") // what the runtime opens is open by now
	lines := bufio.NewScanner(out)
	var pids []string
	for len(pids) < strings.Count(c.Args[2], "echo") && lines.Scan() {
		pids = append(pids, lines.Text())
	}
	limit := unix.Rlimit{Cur: 100, Max: 100}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	var fill []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		fill = append(fill, fd)
	}
	err = c.Kill()
	werr := c.Wait()
	fmt.Println("held", c.TreeHolds() == nil)
	for _, fd := range fill {
		unix.Close(fd)
	}
	for _, p := range pids {
		// Without a descriptor for /proc Wait has not seen them end.
		if !testenv.Soon(func() bool { return testenv.IsOver(number(p)) }) {
			err = errors.Join(err, fmt.Errorf("process %s is alive", p))
			_ = syscall.Kill(number(p), syscall.SIGKILL) // not to leave it behind
		}
	}
	if len(pids) < 3 || werr == nil {
		err = errors.Join(err, fmt.Errorf("%q, %w", pids, werr))
	}
	return err
}

// TestTreeWithoutDescriptors ends a tree when there are no descriptors left.
func TestTreeWithoutDescriptors(t *testing.T) {
	g := testGroup(t)
	if _, err := os.Stat(filepath.Join(g, "cgroup.kill")); err != nil {
		testenv.Skip(t, "no cgroup.kill before Linux 5.14")
	}
	mustSay(t, values(t, inGroup(t, g, nil, "tree without descriptors", "cgroup")), "held", "true")
}

// TestTreeGroupWithoutDescriptors is the same without a control group.
func TestTreeGroupWithoutDescriptors(t *testing.T) {
	c := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("tree without descriptors", "group")}
	mustSay(t, values(t, c), "held", "false")
}
