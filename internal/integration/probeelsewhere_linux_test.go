//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestFirstElsewhere starts the first child of a process on a thread whose children
// are to be in a new pid namespace: the child is its init, and not one that looks for
// what the kernel has, whose end would be that of the namespace.
func TestFirstElsewhere(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWPID)
	for _, list := range []attr.List{nil, {attr.NoNewPrivs{}, ownFilter("ENOSYS pidfd_open")}} {
		s := spawntest.Helper(t, "first elsewhere")
		s.Attr = list
		spawntest.Succeeds(t, s)
	}
}

var _ = testenv.RegisterHelper("first elsewhere", func([]string) int {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
		fmt.Println(err)
		return 1
	}
	s := spawntest.Shell(`exit $(($$ != 1))`)
	state, err := spawn.Run(context.Background(), s)
	if err != nil || !state.Success() {
		fmt.Println(state, err, os.Getpid())
		return 1
	}
	return 0
})
