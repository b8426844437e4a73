//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// capWords are sets in the order of capLines, as the status has them.
func capWords(inheritable, permitted, effective, bounding, ambient uint64) string {
	return fmt.Sprintf("CapInh %016x\nCapPrm %016x\nCapEff %016x\nCapBnd %016x\nCapAmb %016x",
		inheritable, permitted, effective, bounding, ambient)
}

func capMask(list ...int) (set uint64) {
	for _, n := range list {
		set |= 1 << n
	}
	return set
}

// status is that of a process or thread.
func status(t testing.TB, pid string) seen {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/status")
	if err != nil {
		t.Fatal(err)
	}
	return parseSeen(string(text))
}

// TestCapabilities wants the sets that execve makes of those given.
func TestCapabilities(t *testing.T) {
	needRoot(t)
	own := status(t, "thread-self")
	bounding := own.signals(t, "CapBnd")
	user := attr.Credential{UID: nobody, GID: nobody}
	few := []int{unix.CAP_NET_BIND_SERVICE, unix.CAP_SYSLOG, unix.CAP_CHECKPOINT_RESTORE}
	only, x := attr.OnlyCapabilities(few...), capMask(few...)
	kill := []int{unix.CAP_KILL}
	k := capMask(kill...)
	none := []int{}
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
		"nothing":              {attr.List{attr.Capabilities{}}, capLines(seenWith(t))},
	} {
		eachEngine(t, func(t *testing.T) {
			if c.want == "" {
				if _, err := spawn.Compile(catSpec(t, c.list...)); err == nil {
					t.Error(name + ": no error")
				}
				return
			}
			if got := capLines(seenWith(t, c.list...)); got != c.want {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
			}
		})
	}
	if now := status(t, "thread-self"); capLines(now) != capLines(own) {
		t.Errorf("this process has\n%s\nhad\n%s", capLines(now), capLines(own))
	}
}

// TestAmbientCapsCleared has a thread with an ambient capability.
func TestAmbientCapsCleared(t *testing.T) {
	needRoot(t)
	kill := []int{unix.CAP_KILL}
	eachEngine(t, func(t *testing.T) {
		onThread(func() {
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
				"0000000000000000": {attr.Capabilities{Ambient: []int{}}},
			} {
				out, _, err := tryOutput(catSpec(t, list...))
				if s := parseSeen(out); err != nil || s.status["CapAmb"] != want || s.status["CapInh"] != "0000000000000020" {
					t.Errorf("%v\n%s\nwant ambient %s", err, capLines(s), want)
				}
			}
		})
	})
}

var _ = registerHelper("securebits", func([]string) int {
	n, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	fmt.Printf("%#x %v\n", n, err)
	return 0
})

// publicHelper is a helper that any user may run.
func publicHelper(t testing.TB, name string, args ...string) *spawn.Spec {
	t.Helper()
	s := helper(t, name, args...)
	binary, err := os.ReadFile(s.Path)
	if err != nil {
		t.Fatal(err)
	}
	s.Path = write(t, filepath.Join(publicDir(t), "test"), string(binary), 0o755)
	return s
}

func TestSecureBits(t *testing.T) {
	s := publicHelper(t, "securebits")
	needRoot(t)
	user := attr.Credential{UID: nobody, GID: nobody}
	const all = 0xef
	before := status(t, "thread-self")
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
		eachEngine(t, func(t *testing.T) {
			if got := output(t, s); got != c.want {
				t.Errorf("%s: %q, want %q", name, got, c.want)
			}
		})
	}
	k := capMask(unix.CAP_KILL)
	eachEngine(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			list attr.List
			want uint64
		}{
			"no root":    {attr.List{attr.SecureBits(3)}, 0},
			"exact ones": {attr.List{attr.OnlyCapabilities(unix.CAP_KILL), attr.SecureBits(all)}, k},
			"nobody":     {attr.List{user, attr.SecureBits(all)}, 0},
			"ambient":    {attr.List{attr.SecureBits(all), attr.AmbientCaps{unix.CAP_KILL}, user}, k},
		} {
			if s := seenWith(t, c.list...); s.signals(t, "CapPrm") != c.want || s.signals(t, "CapEff") != c.want {
				t.Errorf("%s:\n%s\nwant %#x", name, capLines(s), c.want)
			}
		}
	})
	if n, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0); n != 0 || err != nil {
		t.Errorf("this process has %#x, %v", n, err)
	}
	if now := status(t, "thread-self"); capLines(now) != capLines(before) {
		t.Errorf("this process has\n%s\nhad\n%s", capLines(now), capLines(before))
	}
}

func init() {
	unprivileged["capability sets"] = userCapabilities
}

// userCapabilities is what a user can do to the sets, and can't.
func userCapabilities(string) error {
	none, kill := []int{}, []int{unix.CAP_KILL}
	empty := attr.Capabilities{Effective: none, Permitted: none, Inheritable: none, Ambient: none}
	eperm := []syscall.Errno{unix.EPERM}
	return eachEngineError(func(string) error {
		out, _, err := tryOutput(&spawn.Spec{Path: "/bin/cat", Args: []string{"cat", "/proc/self/status"}, Attr: attr.List{empty}})
		if err != nil || strings.Trim(parseSeen(out).status["CapPrm"], "0") != "" {
			return fmt.Errorf("%w: %s", err, out)
		}
		for _, c := range []struct {
			a attr.Attr
			want
		}{
			{attr.NoCapabilities(), want{"bounding", 1, "CAP_CHOWN", eperm}},
			{attr.Capabilities{Effective: kill, Permitted: kill}, want{"capset", 1, "effective=[CAP_KILL] permitted=[CAP_KILL]", eperm}},
			{attr.Capabilities{Inheritable: kill}, want{"capset", 1, "inheritable=[CAP_KILL]", eperm}},
			{attr.Capabilities{Ambient: kill}, want{"ambient", 1, "CAP_KILL", eperm}},
			{attr.Capabilities{Ambient: kill, Inheritable: kill}, want{"capset", 1, "inheritable=[CAP_KILL]", eperm}},
			{attr.SecureBits(1), want{"securebits", 1, "0x1", eperm}},
		} {
			_, err := spawn.Start(context.Background(), shell(":", attr.Umask(0), c.a))
			if how := c.differs(err); how != "" {
				return fmt.Errorf("%#v: %w: %s", c.a, err, how)
			}
		}
		return nil
	})
}
