//go:build !android

package attr

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// TestRightsAreTheKernels compares numbers with those of package unix.
func TestRightsAreTheKernels(t *testing.T) {
	const write = unix.LANDLOCK_ACCESS_FS_WRITE_FILE | unix.LANDLOCK_ACCESS_FS_REMOVE_DIR | unix.LANDLOCK_ACCESS_FS_REMOVE_FILE |
		unix.LANDLOCK_ACCESS_FS_MAKE_DIR | unix.LANDLOCK_ACCESS_FS_MAKE_REG | unix.LANDLOCK_ACCESS_FS_MAKE_SOCK |
		unix.LANDLOCK_ACCESS_FS_MAKE_FIFO | unix.LANDLOCK_ACCESS_FS_MAKE_SYM | unix.LANDLOCK_ACCESS_FS_REFER |
		unix.LANDLOCK_ACCESS_FS_TRUNCATE | unix.LANDLOCK_ACCESS_FS_IOCTL_DEV
	for i, pair := range [][2]uint64{
		{fsExecute, unix.LANDLOCK_ACCESS_FS_EXECUTE},
		{fsRead, unix.LANDLOCK_ACCESS_FS_READ_FILE | unix.LANDLOCK_ACCESS_FS_READ_DIR},
		{fsWrite, write},
		{fsDevices, unix.LANDLOCK_ACCESS_FS_MAKE_CHAR | unix.LANDLOCK_ACCESS_FS_MAKE_BLOCK},
		{fsRefer, unix.LANDLOCK_ACCESS_FS_REFER}, {fsTruncate, unix.LANDLOCK_ACCESS_FS_TRUNCATE}, {fsIoctl, unix.LANDLOCK_ACCESS_FS_IOCTL_DEV},
		{netBind, unix.LANDLOCK_ACCESS_NET_BIND_TCP}, {netConnect, unix.LANDLOCK_ACCESS_NET_CONNECT_TCP},
		{scopeUnix, unix.LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET}, {scopeSignal, unix.LANDLOCK_SCOPE_SIGNAL},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%d: %#x, not %#x", i, pair[0], pair[1])
		}
	}
}

// TestVersions wants an error that says so, or a list of what is dropped, from
// every version of Landlock, and a ruleset where the kernel is as new.
func TestVersions(t *testing.T) {
	names := []string{
		"LANDLOCK_ACCESS_FS_*", "LANDLOCK_ACCESS_FS_REFER", "LANDLOCK_ACCESS_FS_TRUNCATE", "LANDLOCK_ACCESS_NET_BIND_TCP",
		"LANDLOCK_ACCESS_NET_CONNECT_TCP", "LANDLOCK_ACCESS_FS_IOCTL_DEV", "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", "LANDLOCK_SCOPE_SIGNAL",
	}
	has := []int{0, 1, 2, 3, 5, 6, 8, 8} // of names, by version
	kernel, _ := raw.LandlockABI()
	rules := LandlockRules{
		Read: []string{"/", "/dev/null"}, Write: []string{"/", "/dev/null"}, Execute: []string{"/", "/dev/null"},
		TCPBind: []uint16{1}, TCPConnect: []uint16{2}, NoSignals: true, NoAbstractUnix: true,
	}
	before := countFiles(t)
	for version, n := range has {
		rules.BestEffort = false
		if _, _, err := rules.handled(version); errors.Is(err, errors.ErrUnsupported) != (n < len(names)) {
			t.Errorf("version %d: %v", version, err)
		}
		if version > kernel {
			continue
		}
		rules.BestEffort = true
		r, err := newLandlockFor(rules, version)
		if err != nil {
			t.Errorf("version %d: %v", version, err)
			continue
		}
		if got := r.Dropped(); !slices.Equal(got, names[n:]) {
			t.Errorf("version %d drops %q", version, got)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if after := countFiles(t); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}

// countFiles is how many descriptors are open.
func countFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
