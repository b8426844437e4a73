package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
	"github.com/safespawn/spawn/internal/testenv"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

var _ = testenv.RegisterHelper("stop a tree with a foreign proc", func([]string) int { return testenv.Status(stopBlindly()) })

// stopBlindly stops a tree of process groups. /proc is that of another pid namespace.
func stopBlindly() error {
	defer cgroup.ForTest{Parent: func() (string, error) { return "", errors.ErrUnsupported }}.Force()()
	defer spawntree.NoSpaceForTest()()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	s := &spawn.Spec{Path: exe, Args: testenv.HelperArgs("polite"), Attr: attr.List{tree.Attr()}}
	s.Actions.File(w, 1)
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return err
	}
	_, err = r.Read(make([]byte, 1)) // it is ready
	result, serr := tree.Stop(context.Background(), spawn.StopStep{Signal: syscall.SIGTERM, Grace: testenv.Patience}, spawn.StopStep{Signal: os.Kill})
	_ = p.Kill() // it has ended, but for a fault
	state, werr := p.Wait(context.Background())
	if err = errors.Join(err, serr, werr); err == nil && state.ExitCode() != 7 {
		err = fmt.Errorf("%+v, %v", result, state)
	}
	return errors.Join(err, tree.Close())
}

// TestTreeStopWithoutProc stops a tree whose processes /proc does not show: they are asked
// to end, and have their time.
func TestTreeStopWithoutProc(t *testing.T) {
	testenv.NeedCap(t, unix.CAP_SYS_ADMIN)
	if !pidfdGroups() {
		testenv.Skip(t, "no pidfd tells of the child's end")
	}
	c := &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs("stop a tree with a foreign proc"),
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
	}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
