package exec

import (
	"context"
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/cgroup"
)

// Features returns the features of [spawn.Features] and one more:
//
//	tree_cgroup    Tree can make a control group at this moment; without it, processes that leave the process group escape
//
// [Cmd.TreeHolds] says the same about one tree.
func Features() spawn.FeatureSet {
	f := spawn.Feature{
		Name: FeatureTreeCgroup, Since: "5.7",
		Use: "Tree holds all descendants; without: those that leave the process group escape",
	}
	if err := tryTree(); err != nil {
		f.Use += " (" + err.Error() + ")"
	} else {
		f.Available = true
	}
	return append(spawn.Features(), f)
}

// tryTree makes a child in a control group of its own.
func tryTree() error {
	g, err := cgroup.NewToTry()
	if err != nil {
		return err
	}
	defer func() { _ = g.Remove() }() // nobody is in it
	return tryGroup(g.Dir())
}

// tryGroup makes a child in a control group that gets as far as execve.
func tryGroup(dir *os.File) error {
	s := spawn.Spec{Path: "/dev/null/none", Attr: attr.List{attr.Cgroup{Dir: dir}}}
	_, err := spawn.Start(context.Background(), &s)
	var e *spawn.Error
	if errors.As(err, &e) && e.Step == spawn.StepExecve && errors.Is(err, unix.ENOTDIR) {
		return nil
	}
	return err
}
