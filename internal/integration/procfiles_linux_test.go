//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestFilesOfProc starts children that write files of /proc beside others that
// change ids, which clears the dumpable flag of the memory that they share: their
// files are root's then. The parent is not root, but may change ids.
func TestFilesOfProc(t *testing.T) {
	s := spawntest.Helper(t, "files of proc")
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	s.Attr = attr.List{attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID}}
	spawntest.RunByNobody(t, s)
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("files of proc", func([]string) int {
	own := []attr.IDMapEntry{{HostID: os.Getuid(), Size: 1}}
	wide := []attr.IDMapEntry{{HostID: 100000, Size: 65536}}
	user, all := attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: wide, GID: wide, Setgroups: true}
	ids := attr.Credential{UID: 1000, GID: 1000}
	lists := []attr.List{
		{ids},
		{attr.OOMScoreAdj(1000)},
		{attr.OOMScoreAdj(1000), ids},
		{attr.CoredumpFilter(1)},
		{attr.CoredumpFilter(1), ids},
		{attr.Unshare{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: own}},
		{user, all},
		{user, all, ids},
		{user, all, ids, attr.OOMScoreAdj(1000)},
		{user, all, attr.NoHugePages{}},
	}
	err := spawntest.EachEngineError(func(string) error {
		return testenv.AtOnce(len(lists), func() (err error) {
			for i := range lists {
				list := lists[i]
				if state, e := spawn.Run(context.Background(), spawntest.Shell(":", list...)); e != nil || !state.Success() {
					err = errors.Join(err, fmt.Errorf("%v: %v, %w", list, state, e))
				}
			}
			return err
		})
	})
	if n, perr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); n != 1 || perr != nil {
		err = errors.Join(err, fmt.Errorf("dumpable is %d, %w", n, perr))
	}
	return testenv.Status(err)
})
