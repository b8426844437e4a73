//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// capWords are sets in the order of capLines, as the status has them.
func capWords(inheritable, permitted, effective, bounding, ambient uint64) string {
	return fmt.Sprintf("CapInh %016x\nCapPrm %016x\nCapEff %016x\nCapBnd %016x\nCapAmb %016x",
		inheritable, permitted, effective, bounding, ambient)
}

func capMask(list ...attr.Capability) (set uint64) {
	for _, n := range list {
		set |= 1 << n
	}
	return set
}

// TestCapabilities wants the sets that execve makes of those given.
func TestCapabilities(t *testing.T) {
	testenv.NeedRoot(t)
	own := testenv.StatusOf(t, "thread-self")
	bounding := own.Signals(t, "CapBnd")
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	few := []attr.Capability{unix.CAP_NET_BIND_SERVICE, unix.CAP_SYSLOG, unix.CAP_CHECKPOINT_RESTORE}
	only, x := attr.OnlyCapabilities(few...), capMask(few...)
	kill := []attr.Capability{unix.CAP_KILL}
	k := capMask(kill...)
	none := []attr.Capability{}
	for name, c := range map[string]struct {
		list attr.List
		want string
	}{
		"none, root":           {attr.List{attr.NoCapabilities()}, capWords(0, 0, 0, 0, 0)},
		"none, nobody":         {attr.List{attr.NoCapabilities(), user}, capWords(0, 0, 0, 0, 0)},
		"few, root":            {attr.List{only}, capWords(x, x, x, x, x)},
		"few, nobody":          {attr.List{only, user}, capWords(x, x, x, x, x)},
		"bounding, root":       {attr.List{attr.Capabilities{Bounding: few}}, capWords(0, x, x, x, 0)},
		"no bounding, nobody":  {attr.List{user, attr.Capabilities{Bounding: none}}, capWords(0, 0, 0, 0, 0)},
		"inheritable, nobody":  {attr.List{user, attr.Capabilities{Inheritable: kill}}, capWords(k, 0, 0, bounding, 0)},
		"inheritable, root":    {attr.List{attr.Capabilities{Inheritable: kill, Bounding: kill}}, capWords(k, k, k, k, 0)},
		"ambient, nobody":      {attr.List{user, attr.Capabilities{Ambient: kill, Inheritable: few[:0:0]}}, ""},
		"ambient, some nobody": {attr.List{user, attr.Capabilities{Ambient: kill, Inheritable: kill}}, capWords(k, k, k, bounding, k)},
		"all but ambient":      {attr.List{user, attr.Capabilities{Effective: few, Permitted: few, Inheritable: few, Ambient: none}}, capWords(x, 0, 0, bounding, 0)},
		"nothing":              {attr.List{attr.Capabilities{}}, capLines(spawntest.SeenWith(t))},
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			if c.want == "" {
				if _, err := spawn.Compile(spawntest.Cat(t, c.list...)); err == nil {
					t.Error(name + ": no error")
				}
				return
			}
			if got := capLines(spawntest.SeenWith(t, c.list...)); got != c.want {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
			}
		})
	}
	if now := testenv.StatusOf(t, "thread-self"); capLines(now) != capLines(own) {
		t.Errorf("this process has\n%s\nhad\n%s", capLines(now), capLines(own))
	}
}

// TestAmbientCapsCleared has a thread with an ambient capability.
func TestAmbientCapsCleared(t *testing.T) {
	testenv.NeedRoot(t)
	kill := []attr.Capability{unix.CAP_KILL}
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
			var sets [2]unix.CapUserData
			if err := unix.Capget(&hdr, &sets[0]); err != nil {
				t.Error(err)
				return
			}
			sets[0].Inheritable |= uint32(capMask(kill...))
			if err := unix.Capset(&hdr, &sets[0]); err != nil {
				t.Error(err)
				return
			}
			if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_RAISE, unix.CAP_KILL, 0, 0); err != nil {
				t.Error(err)
				return
			}
			for want, list := range map[string]attr.List{
				"0000000000000020": nil,
				"0000000000000000": {attr.Capabilities{Ambient: []attr.Capability{}}},
			} {
				out, _, err := spawntest.TryOutput(spawntest.Cat(t, list...))
				if s := testenv.ParseSeen(out); err != nil || s.Status["CapAmb"] != want || s.Status["CapInh"] != "0000000000000020" {
					t.Errorf("%v\n%s\nwant ambient %s", err, capLines(s), want)
				}
			}
		})
	})
}

var _ = testenv.RegisterHelper("securebits", func([]string) int {
	n, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	fmt.Printf("%#x %v\n", n, err)
	return 0
})

func TestSecureBits(t *testing.T) {
	s := spawntest.PublicHelper(t, "securebits")
	testenv.NeedRoot(t)
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	const all = 0xef
	before := testenv.StatusOf(t, "thread-self")
	for name, c := range map[string]struct {
		list attr.List
		want string
	}{
		"root":                 {attr.List{attr.SecureBits(all)}, "0xef <nil>\n"},
		"nobody":               {attr.List{attr.SecureBits(all), user}, "0xef <nil>\n"},
		"none":                 {attr.List{attr.SecureBits(0)}, "0x0 <nil>\n"},
		"without capabilities": {attr.List{attr.SecureBits(all), user, attr.NoCapabilities()}, "0xef <nil>\n"},
		"with ambient ones":    {attr.List{attr.SecureBits(all), user, attr.AmbientCaps{unix.CAP_KILL}}, "0xef <nil>\n"},
		"with exact ones":      {attr.List{attr.SecureBits(all), user, attr.OnlyCapabilities(unix.CAP_KILL)}, "0xef <nil>\n"},
	} {
		s.Attr = c.list
		spawntest.EachEngine(t, func(t *testing.T) {
			if got := spawntest.Output(t, s); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		})
	}
	k := capMask(unix.CAP_KILL)
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			list attr.List
			want uint64
		}{
			"no root":    {attr.List{attr.SecureBits(3)}, 0},
			"exact ones": {attr.List{attr.OnlyCapabilities(unix.CAP_KILL), attr.SecureBits(all)}, k},
			"nobody":     {attr.List{user, attr.SecureBits(all)}, 0},
			"ambient":    {attr.List{attr.SecureBits(all), attr.AmbientCaps{unix.CAP_KILL}, user}, k},
		} {
			if s := spawntest.SeenWith(t, c.list...); s.Signals(t, "CapPrm") != c.want || s.Signals(t, "CapEff") != c.want {
				t.Errorf("%s:\n%s\nwant %#x", name, capLines(s), c.want)
			}
		}
	})
	if n, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); n != 0 || err != nil {
		t.Errorf("this process has %#x, %v", n, err)
	}
	if now := testenv.StatusOf(t, "thread-self"); capLines(now) != capLines(before) {
		t.Errorf("this process has\n%s\nhad\n%s", capLines(now), capLines(before))
	}
}

func init() {
	spawntest.Unprivileged("capability sets", userCapabilities)
}

// userCapabilities is what a user can do to the sets, and can't.
func userCapabilities(string) error {
	none, kill := []attr.Capability{}, []attr.Capability{unix.CAP_KILL}
	empty := attr.Capabilities{Effective: none, Permitted: none, Inheritable: none, Ambient: none}
	eperm := []syscall.Errno{unix.EPERM}
	return spawntest.EachEngineError(func(string) error {
		out, _, err := spawntest.TryOutput(&spawn.Spec{Path: "/bin/cat", Args: []string{"cat", "/proc/self/status"}, Attr: attr.List{empty}})
		if err != nil || strings.Trim(testenv.ParseSeen(out).Status["CapPrm"], "0") != "" {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, c := range []struct {
			a attr.Attr
			spawntest.Want
		}{
			{attr.NoCapabilities(), spawntest.Fails("bounding", 1, "CAP_CHOWN", eperm...)},
			{attr.Capabilities{Effective: kill, Permitted: kill}, spawntest.Fails("capset", 1, "effective=[CAP_KILL] permitted=[CAP_KILL]", eperm...)},
			{attr.Capabilities{Inheritable: kill}, spawntest.Fails("capset", 1, "inheritable=[CAP_KILL]", eperm...)},
			{attr.Capabilities{Ambient: kill}, spawntest.Fails("ambient", 1, "CAP_KILL", eperm...)},
			{attr.Capabilities{Ambient: kill, Inheritable: kill}, spawntest.Fails("capset", 1, "inheritable=[CAP_KILL]", eperm...)},
			{attr.SecureBits(1), spawntest.Fails("securebits", 1, "noroot", eperm...)},
		} {
			_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Umask(0), c.a))
			if how := c.Differs(err); how != "" {
				return fmt.Errorf("%#v: %w: %s", c.a, err, how)
			}
		}
		return nil
	})
}
