//go:build android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"syscall"

	spawntree "github.com/safespawn/spawn/internal/tree"
)

// usesCgroup reports whether the child is put into a control group of the user's.
func usesCgroup(sys *syscall.SysProcAttr) bool { return sys != nil && sys.UseCgroupFD }

// tryHolder says whether the control group of a tree is why a start failed, and why that
// is: package os does not tell.
func tryHolder(t *spawntree.Tree) error { return tryGroup(t.Dir()) }
