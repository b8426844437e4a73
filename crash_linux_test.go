//go:build linux && !android

package spawn_test

import (
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestCoreDump wants the state to say whether there was a core, and what the kernel
// tells of the signal.
func TestCoreDump(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || len(pattern) == 0 || pattern[0] == '/' || pattern[0] == '|' || pattern[0] == '@' {
		testenv.Skip(t, "cores go elsewhere")
	}
	var own unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &own); err != nil || own.Max == 0 {
		testenv.Skip(t, "no cores are allowed")
	}
	for _, c := range []struct {
		how    string
		limit  uint64
		signal syscall.Signal
		core   bool
	}{
		{"kill -SEGV $$", own.Max, syscall.SIGSEGV, true},
		{"kill -SEGV $$", 0, syscall.SIGSEGV, false},
		{"kill -TERM $$", own.Max, syscall.SIGTERM, false},
		{"exit 3", own.Max, -1, false},
	} {
		s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", c.how}}
		s.Attr = attr.List{attr.Rlimit{Resource: unix.RLIMIT_CORE, Soft: c.limit, Hard: own.Max}}
		s.Actions.Chdir(t.TempDir())
		if !spawn.Features().Has(spawn.FeatureEngine) {
			s.Attr = nil // which has its limit from this process
			if c.limit != uint64(own.Cur) {
				continue
			}
		}
		state, err := spawn.Run(t.Context(), s)
		if err != nil || state.Signal() != c.signal || state.CoreDump() != c.core {
			t.Errorf("%s with %d bytes: %v, %v", c.how, c.limit, state, err)
			continue
		}
		code, ok := state.SignalCode()
		if ok && (c.signal != syscall.SIGSEGV || code > 0) { // SI_USER is 0
			t.Errorf("%s: si_code %d", c.how, code)
		}
		if !ok && code != 0 {
			t.Errorf("%s: si_code %d, which is not known", c.how, code)
		}
	}
}
