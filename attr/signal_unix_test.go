//go:build unix

package attr_test

import (
	"syscall"
	"testing"

	"github.com/safespawn/spawn/attr"
)

// TestSignalNames has names however they are written.
func TestSignalNames(t *testing.T) {
	for s, want := range map[string]syscall.Signal{
		"hup": syscall.SIGHUP, "SIGKILL": syscall.SIGKILL, "SigTerm": syscall.SIGTERM, "USR1": syscall.SIGUSR1, "64": 64,
	} {
		if got, err := attr.ParseSignal(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}
