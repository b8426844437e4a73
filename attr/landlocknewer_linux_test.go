//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// everything is rules that allow all files.
func everything() attr.LandlockRules {
	all := []string{"/"}
	return attr.LandlockRules{Read: all, Write: all, Execute: all, AnyTCP: true}
}

// TestNewerRulesRefused wants rules that this kernel lacks to be an error, which says what
// they need, and no program that is less restricted than it was meant to be.
func TestNewerRulesRefused(t *testing.T) {
	if !spawntest.HasLandlock() {
		testenv.Skip(t, "no Landlock")
	}
	abi, _ := raw.LandlockABI()
	before := testenv.Settled()
	for version, change := range map[int]func(r *attr.LandlockRules){
		7:  func(r *attr.LandlockRules) { r.Log = true },
		9:  func(r *attr.LandlockRules) { r.NoPathnameUnix = true },
		10: func(r *attr.LandlockRules) { r.NoUDP = true },
	} {
		rules := everything()
		change(&rules)
		r, err := attr.NewLandlock(rules)
		var lacks *attr.UnsupportedError
		if abi < version && (r != nil || !errors.Is(err, errors.ErrUnsupported) || !errors.As(err, &lacks) || lacks.Since == "") {
			t.Errorf("version %d of %d: %v", version, abi, err)
		}
		if abi >= version && err != nil {
			t.Errorf("version %d of %d: %v", version, abi, err)
		}
		if r != nil {
			r.Close()
		}
		rules.BestEffort = true
		if r, err = attr.NewLandlock(rules); err != nil {
			t.Errorf("version %d of %d: %v", version, abi, err)
			continue
		}
		if dropped := r.Dropped(); (len(dropped) > 0) != (abi < version) {
			t.Errorf("version %d of %d drops %q", version, abi, dropped)
		}
		r.Close()
	}
	testenv.CheckFDs(t, before)
}

// TestLandlockLog has the kernel take the flag.
func TestLandlockLog(t *testing.T) {
	needVersion(t, 7)
	rules := everything()
	rules.Log = true
	l := spawntest.NewRuleset(t, rules).Attr()
	if l.Flags != unix.LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON {
		t.Errorf("flags %#x", l.Flags)
	}
	spawntest.EachEngine(t, func(t *testing.T) { spawntest.Succeeds(t, spawntest.Shell(":", attr.NoNewPrivs{}, l)) })
}

func TestLandlockQuiet(t *testing.T) {
	needVersion(t, 10)
	dir := t.TempDir()
	file := testenv.Write(t, filepath.Join(dir, "file"), "x", 0o644)
	rules := attr.LandlockRules{Execute: spawntest.System(), Write: []string{"/dev/null"}, Log: true, Quiet: []string{dir, file}}
	s := spawntest.Shell("cat "+file+" 2>/dev/null", attr.NoNewPrivs{}, spawntest.NewRuleset(t, rules).Attr())
	if _, state, err := spawntest.TryOutput(s); err != nil || state.Success() {
		t.Errorf("quiet is not allowed: %v, %v", state, err)
	}
}

// reached runs a helper that connects or binds, and returns its status.
func reached(t *testing.T, rules attr.LandlockRules, args ...string) int {
	t.Helper()
	s := spawntest.Helper(t, "reach", args...)
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.NewRuleset(t, rules).Attr()}
	out, state, err := spawntest.TryOutput(s)
	if err != nil {
		t.Fatalf("%v: %v, %s", args, err, out)
	}
	return state.ExitCode()
}

func TestLandlockPathnameUnix(t *testing.T) {
	needVersion(t, 9)
	dir := t.TempDir()
	var socks []string
	for i := range 2 {
		path := filepath.Join(dir, fmt.Sprint("sock", i))
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		socks = append(socks, path)
	}
	for name, c := range map[string]struct {
		change func(r *attr.LandlockRules)
		want   [2]int
	}{
		"not restricted": {func(*attr.LandlockRules) {}, [2]int{0, 0}},
		"none":           {func(r *attr.LandlockRules) { r.NoPathnameUnix = true }, [2]int{refused, refused}},
		"one":            {func(r *attr.LandlockRules) { r.PathnameUnix = socks[:1] }, [2]int{0, refused}},
		"directory":      {func(r *attr.LandlockRules) { r.PathnameUnix = []string{dir} }, [2]int{0, 0}},
	} {
		rules := everything()
		c.change(&rules)
		for i, path := range socks {
			if got := reached(t, rules, "dial", "unix", path); got != c.want[i] {
				t.Errorf("%s, socket %d: %d, want %d", name, i, got, c.want[i])
			}
		}
	}
}

// sends sends a datagram to an address, from a port that is bound before if one is given.
var _ = testenv.RegisterHelper("sends", func(args []string) int {
	local := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}
	fmt.Sscan(args[1], &local.Port)
	remote, err := net.ResolveUDPAddr("udp4", args[0])
	if err == nil && local.Port != 0 {
		var c *net.UDPConn
		if c, err = net.ListenUDP("udp4", local); err == nil {
			_, err = c.WriteTo([]byte("x"), remote)
		}
	} else if err == nil {
		_, err = net.DialUDP("udp4", nil, remote)
	}
	switch {
	case err == nil:
		return 0
	case errors.Is(err, unix.EACCES):
		return refused
	}
	fmt.Println(err)
	return 1
})

func TestLandlockUDP(t *testing.T) {
	needVersion(t, 10)
	server, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	to := server.LocalAddr().(*net.UDPAddr)
	free, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	from := free.LocalAddr().(*net.UDPAddr).Port
	free.Close()
	there := []uint16{uint16(to.Port)}
	for name, c := range map[string]struct {
		change       func(r *attr.LandlockRules)
		bound, plain int
	}{
		"not restricted": {func(*attr.LandlockRules) {}, 0, 0},
		"none":           {func(r *attr.LandlockRules) { r.NoUDP = true }, refused, refused},
		"bind only":      {func(r *attr.LandlockRules) { r.UDPBind = []uint16{uint16(from)} }, refused, refused},
		"there":          {func(r *attr.LandlockRules) { r.UDPConnect = there }, refused, refused},
		"from any":       {func(r *attr.LandlockRules) { r.UDPConnect, r.UDPBind = there, []uint16{0} }, refused, 0},
		"from one":       {func(r *attr.LandlockRules) { r.UDPConnect, r.UDPBind = there, []uint16{uint16(from)} }, 0, refused},
	} {
		rules := everything()
		c.change(&rules)
		for port, want := range map[int]int{0: c.plain, from: c.bound} {
			s := spawntest.Helper(t, "sends", to.String(), fmt.Sprint(port))
			s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.NewRuleset(t, rules).Attr()}
			out, state, err := spawntest.TryOutput(s)
			if err != nil || state.ExitCode() != want {
				t.Errorf("%s, from %d: %v, %v, %s; want %d", name, port, state, err, out, want)
			}
		}
	}
}

func init() {
	spawntest.Unprivileged("newer rules of Landlock", func(string) error {
		abi, _ := raw.LandlockABI()
		rules := everything()
		rules.NoUDP, rules.NoPathnameUnix, rules.Log = true, true, true
		r, err := attr.NewLandlock(rules)
		if abi < 10 {
			if !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("version %d: %w", abi, err)
			}
			return nil
		}
		if err != nil {
			return err
		}
		defer r.Close()
		_, state, err := spawntest.TryOutput(spawntest.Shell("exit 7", attr.NoNewPrivs{}, r.Attr()))
		if err != nil || state.ExitCode() != 7 {
			return fmt.Errorf("%v, %w", state, err)
		}
		return nil
	})
}
