//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package exec

import (
	"errors"

	"github.com/safespawn/spawn/internal/cgroup"
)

// ForceNoCgroup makes trees do without a control group until the function that
// it returns is called.
func ForceNoCgroup() (restore func()) {
	none := func() (string, error) { return "", errors.ErrUnsupported }
	return cgroup.ForTest{Parent: none}.Force()
}

// ForceNoCgroupKill makes control groups be ended as before Linux 5.14.
func ForceNoCgroupKill() (restore func()) {
	return cgroup.ForTest{Kill: "no.such.file"}.Force()
}

// ForceNames makes the names of control groups end in numbers that next returns.
func ForceNames(next func() uint64) (restore func()) {
	return cgroup.ForTest{Name: next}.Force()
}

// OwnCgroup is where the groups of trees are made.
var OwnCgroup = cgroup.Own

// OwnPrefix is what the names of this process's groups begin with.
var OwnPrefix = cgroup.OwnPrefixForTest

// ForceParent makes trees have their groups in a directory.
func ForceParent(dir string) (restore func()) {
	return cgroup.ForTest{Parent: func() (string, error) { return dir, nil }}.Force()
}

// TreePopulated reports whether there is anybody in the group of a tree.
func TreePopulated(c *Cmd) bool { return c.tree.held.Populated() }
