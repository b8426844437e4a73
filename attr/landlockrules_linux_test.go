//go:build !android

package attr

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
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
		{fsResolveUnix, unix.LANDLOCK_ACCESS_FS_RESOLVE_UNIX},
		{netBindUDP, unix.LANDLOCK_ACCESS_NET_BIND_UDP}, {netConnectUDP, unix.LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP},
		{logNewExec, unix.LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON}, {addRuleQuiet, unix.LANDLOCK_ADD_RULE_QUIET},
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
		"LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON", "LANDLOCK_ACCESS_FS_RESOLVE_UNIX",
		"LANDLOCK_ACCESS_NET_BIND_UDP", "LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP", "LANDLOCK_ADD_RULE_QUIET",
	}
	has := []int{0, 1, 2, 3, 5, 6, 8, 9, 9, 10, 13, 13} // of names, by version
	kernel, _ := raw.LandlockABI()
	rules := LandlockRules{
		Read: []string{"/", "/dev/null"}, Write: []string{"/", "/dev/null"}, Execute: []string{"/", "/dev/null"},
		TCPBind: []uint16{1}, TCPConnect: []uint16{2}, NoSignals: true, NoAbstractUnix: true,
		PathnameUnix: []string{"/", "/dev/null"}, UDPBind: []uint16{3}, UDPConnect: []uint16{4}, Log: true, Quiet: []string{"/", "/dev/null"},
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

// TestOlderRulesNeedNoNewerKernel wants rules as they were to need no more than they did.
func TestOlderRulesNeedNoNewerKernel(t *testing.T) {
	for abi, rules := range map[int]LandlockRules{
		5: {Read: []string{"/"}, TCPBind: []uint16{1}}, 6: {NoSignals: true}, 7: {Log: true},
		9: {NoPathnameUnix: true}, 10: {NoUDP: true, NoPathnameUnix: true, Log: true, Quiet: []string{"/"}},
	} {
		var lacks *UnsupportedError
		if _, dropped, err := rules.handled(abi); err != nil || dropped != nil {
			t.Errorf("%+v: %v, %q", rules, err, dropped)
		}
		if _, _, err := rules.handled(abi - 1); !errors.As(err, &lacks) || !errors.Is(err, errors.ErrUnsupported) || lacks.Since == "" {
			t.Errorf("%+v before version %d: %v", rules, abi, err)
		}
	}
}

// TestRulesetOfTheKernel compares what the kernel would get, of versions that this kernel
// may lack.
func TestRulesetOfTheKernel(t *testing.T) {
	rules := LandlockRules{
		Write: []string{"/w"}, PathnameUnix: []string{"/s"}, UDPBind: []uint16{0, 53}, UDPConnect: []uint16{53},
		Log: true, Quiet: []string{"/q"}, BestEffort: true,
	}
	const fs, tcp, udp = 1<<16 - 1, 3, 12
	for abi, want := range map[int]struct {
		handled raw.LandlockHandled
		flags   uint64
		rules   []plan.LandlockRule
	}{
		6: {raw.LandlockHandled{FS: fs, Net: tcp}, 0, []plan.LandlockRule{{Path: "/w", Access: fsWrite, OfFile: fsWrite & fsOfFile}}},
		7: {raw.LandlockHandled{FS: fs, Net: tcp}, 2, []plan.LandlockRule{{Path: "/w", Access: fsWrite, OfFile: fsWrite & fsOfFile}}},
		9: {raw.LandlockHandled{FS: fs | 1<<16, Net: tcp}, 2, []plan.LandlockRule{{Path: "/w", Access: fsWrite, OfFile: fsWrite & fsOfFile}, {Path: "/s", Access: 1 << 16, OfFile: 1 << 16}}},
		10: {raw.LandlockHandled{FS: fs | 1<<16, Net: tcp | udp, QuietFS: fs | 1<<16}, 2, []plan.LandlockRule{
			{Path: "/w", Access: fsWrite, OfFile: fsWrite & fsOfFile}, {Path: "/s", Access: 1 << 16, OfFile: 1 << 16},
			{IsPort: true, Port: 0, Access: 4}, {IsPort: true, Port: 53, Access: 4}, {IsPort: true, Port: 53, Access: 8}, {Path: "/q", Flags: 1},
		}},
	} {
		h, _, err := rules.handled(abi)
		if got := handledBy(h); err != nil || got != want.handled || h[landlockFlags] != want.flags {
			t.Errorf("version %d: %+v, flags %d, %v", abi, got, h[landlockFlags], err)
		}
		if got := rules.list(h); !slices.Equal(got, want.rules) {
			t.Errorf("version %d: %+v", abi, got)
		}
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
