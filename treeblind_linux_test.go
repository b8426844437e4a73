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

var _ = testenv.RegisterHelper("tree with a foreign proc", func(args []string) int {
	defer cgroup.ForTest{Parent: func() (string, error) { return "", errors.ErrUnsupported }}.Force()()
	defer spawntree.NoSpaceForTest()()
	tree, err := spawn.NewTree(spawn.Limits{})
	if err == nil {
		err = map[string]func(*spawn.Tree) error{"stop": stopBlindly, "kill": killBlindly}[args[0]](tree)
	}
	return testenv.Status(err)
})

// killBlindly kills what a child has left that is not reaped: nobody, but that is not known.
func killBlindly(tree *spawn.Tree) error {
	p, err := spawn.Start(context.Background(), inTree(tree, "exit 7"))
	if err != nil {
		return err
	}
	err = p.WaitExited(context.Background())
	if testenv.Lacks(unix.SYS_WAITID) { // then nothing tells of an end without reaping
		if !errors.Is(err, errors.ErrUnsupported) {
			return fmt.Errorf("without waitid: %v", err)
		}
		_, err = p.Wait(context.Background())
		return errors.Join(err, tree.Close())
	}
	if left, kerr := tree.Kill(); left != -1 || kerr != nil {
		err = errors.Join(err, fmt.Errorf("%d are left: %w", left, kerr))
	}
	_, werr := p.Wait(context.Background())
	return errors.Join(err, werr, tree.Close())
}

// stopBlindly stops a tree whose child ends when it is asked to.
func stopBlindly(tree *spawn.Tree) error {
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

// blindly runs a helper that has a tree of process groups, whose processes /proc does not
// show: it is that of another pid namespace.
func blindly(t *testing.T, what string) {
	testenv.NeedCap(t, unix.CAP_SYS_ADMIN)
	testenv.NeedOSWait(t)
	c := &exec.Cmd{
		Path: testenv.Self(t), Args: testenv.HelperArgs("tree with a foreign proc", what),
		SysProcAttr: &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID},
	}
	switch out, err := c.CombinedOutput(); {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EINVAL): // of clone: a filter, or an emulator
		testenv.Skip(t, "no pid namespaces")
	case err != nil:
		t.Errorf("%v: %s", err, out)
	}
}

// TestTreeStopWithoutProc wants processes to be asked to end, and to have their time.
func TestTreeStopWithoutProc(t *testing.T) {
	if !testenv.PidfdGroups() {
		testenv.Skip(t, "no pidfd tells of the child's end")
	}
	blindly(t, "stop")
}

// TestTreeKillWithoutProc wants nobody to be said not to end of whom nothing is known.
func TestTreeKillWithoutProc(t *testing.T) {
	if !spawn.Features().Has(spawn.FeatureEngine) {
		testenv.Skip(t, "only the engine waits without reaping")
	}
	blindly(t, "kill")
}
