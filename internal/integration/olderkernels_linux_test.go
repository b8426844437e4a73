//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// older are tests in a process whose kernel lacks something, which a filter feigns.
var older = map[string]olderKernel{
	"rules": {spawntest.Refuse(unix.ENOSYS, unix.SYS_LANDLOCK_CREATE_RULESET), withoutLandlock},
}

type olderKernel struct {
	lacking attr.Seccomp
	try     func() error
}

var _ = testenv.RegisterHelper("older kernel", func(args []string) int {
	return testenv.Status(older[args[0]].try())
})

func TestOlderKernels(t *testing.T) {
	for name, kernel := range older {
		t.Run(name, func(t *testing.T) {
			s := spawntest.Helper(t, "older kernel", name)
			if name == "attr.StartSuspended" || name == "attr.Ptrace" {
				testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
			}
			s.Attr = attr.List{attr.NoNewPrivs{}, kernel.lacking}
			out, state, err := spawntest.TryOutput(s)
			if err != nil || !state.Success() {
				t.Errorf("%v, %v: %s", state, err, strings.TrimSpace(out))
			}
			t.Log(strings.TrimSpace(out))
		})
	}
}

// withoutLandlock is about a kernel that has it not.
func withoutLandlock() error {
	if r, err := attr.NewLandlock(attr.LandlockRules{}); r != nil || !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("strict: %w", err)
	}
	r, err := attr.NewLandlock(attr.LandlockRules{BestEffort: true, NoSignals: true})
	if err != nil {
		return err
	}
	if d := r.Dropped(); !slices.Contains(d, "LANDLOCK_ACCESS_FS_*") || !slices.Contains(d, "LANDLOCK_SCOPE_SIGNAL") {
		return fmt.Errorf("dropped: %q", d)
	}
	state, err := spawn.Run(context.Background(), spawntest.Shell(":", r.Attr()))
	if err != nil || !state.Success() {
		return fmt.Errorf("%v, %w", state, err)
	}
	return r.Close()
}
