//go:build !linux

package exec

import (
	"syscall"

	"github.com/safespawn/spawn"
	spawntree "github.com/safespawn/spawn/internal/tree"
)

// Features returns the features of [spawn.Features] and tree_cgroup, which Linux has.
func Features() spawn.FeatureSet {
	return append(spawn.Features(), spawn.Feature{
		Name: FeatureTreeCgroup, Since: "5.7", Use: "Tree holds all descendants; without: a job does on Windows, and elsewhere the process group",
	})
}

// usesCgroup is for Linux.
func usesCgroup(*syscall.SysProcAttr) bool { return false }

// tryHolder is for Linux.
func tryHolder(*spawntree.Tree) error { return nil }
