package exec_test

import (
	"bufio"
	"errors"
	"runtime"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// eachGroupTree runs a test with trees of process groups: as they are here, and as before
// Linux 6.9.
func eachGroupTree(t *testing.T, f func(t *testing.T)) {
	none := func() (string, error) { return "", errors.ErrUnsupported }
	defer cgroup.ForTest{Parent: none}.Force()()
	defer spawntree.NoSpaceForTest()()
	t.Run("pidfds", f)
	defer spawntree.NoPidfdForTest()()
	t.Run("no pidfds", f)
}

// TestTreeOfCmds kills what Cmds have started in a tree of several.
func TestTreeOfCmds(t *testing.T) { eachGroupTree(t, func(t *testing.T) { testTreeOfCmds(t, false) }) }

// TestTreeInTree is the same with a Cmd that has a tree of its own.
func TestTreeInTree(t *testing.T) {
	t.Run("held", func(t *testing.T) { testTreeOfCmds(t, true) })
	eachGroupTree(t, func(t *testing.T) { testTreeOfCmds(t, true) })
}

func testTreeOfCmds(t *testing.T, own bool) {
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(testenv.Self(t))
	c.Args = testenv.HelperArgs("ancestor", "wait")
	c.Attr, c.Tree = attr.List{tree.Attr()}, own
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Errorf("%q, %v", line, err)
	}
	for range 3 {
		runtime.GC() // the tree knows it all the same
	}
	if err := tree.Signal(syscall.Signal(0)); err != nil {
		t.Error(err)
	}
	if left, err := tree.Kill(); err != nil || left != 0 {
		t.Errorf("%d left, %v", left, err)
	}
	_ = c.Process.Kill() // it is dead, but for a fault
	if err := c.Wait(); err == nil {
		t.Error("it has ended well")
	}
	if err := tree.Close(); err != nil {
		t.Error(err)
	}
}
