package names

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestNumbers wants some names of each kind to be where package unix has them, and
// what has no name to be told by number.
func TestNumbers(t *testing.T) {
	for want, got := range map[string]string{
		"CAP_CHOWN": Capability(unix.CAP_CHOWN), "CAP_SYS_ADMIN": Capability(unix.CAP_SYS_ADMIN),
		"CAP_AUDIT_CONTROL": Capability(unix.CAP_AUDIT_CONTROL), "CAP_CHECKPOINT_RESTORE": Capability(unix.CAP_LAST_CAP),
		"capability 63": Capability(63), "capability -1": Capability(-1),
		"RLIMIT_NPROC": Resource(unix.RLIMIT_NPROC), "RLIMIT_AS": Resource(unix.RLIMIT_AS), "RLIMIT_CPU": Resource(unix.RLIMIT_CPU),
		"RLIMIT_NOFILE": Resource(unix.RLIMIT_NOFILE), "RLIMIT_RTTIME": Resource(unix.RLIMIT_RTTIME), "resource 16": Resource(16),
		"SIGTERM": Signal(unix.SIGTERM), "SIGSTOP": Signal(unix.SIGSTOP), "signal 40": Signal(40), "signal 0": Signal(0),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for n, name := range Capabilities {
		if got, ok := CapabilityNumber("cap_" + name); !ok || got != n {
			t.Errorf("%s is %d", name, got)
		}
	}
	if n, ok := CapabilityNumber("cap_nothing"); ok {
		t.Errorf("nothing is %d", n)
	}
}
