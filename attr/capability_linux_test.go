//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// capLines are the capability sets of a process, from its status.
func capLines(s testenv.Seen) string {
	var lines []string
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		lines = append(lines, set+" "+s.Status[set])
	}
	return strings.Join(lines, "\n")
}

// TestAmbientCaps compares with what package syscall makes of the same.
func TestAmbientCaps(t *testing.T) {
	testenv.NeedRoot(t)
	caps := []uintptr{unix.CAP_NET_BIND_SERVICE, unix.CAP_SYSLOG, unix.CAP_CHECKPOINT_RESTORE}
	list := attr.AmbientCaps{unix.CAP_NET_BIND_SERVICE, unix.CAP_SYSLOG, unix.CAP_CHECKPOINT_RESTORE}
	for name, c := range map[string]struct {
		sys  syscall.SysProcAttr
		list attr.List
	}{
		"root":   {syscall.SysProcAttr{AmbientCaps: caps}, attr.List{list}},
		"nobody": {syscall.SysProcAttr{AmbientCaps: caps, Credential: &syscall.Credential{Uid: testenv.Nobody, Gid: testenv.Nobody}}, attr.List{list, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}},
		"one, twice": {
			syscall.SysProcAttr{AmbientCaps: []uintptr{unix.CAP_KILL, unix.CAP_KILL}, Credential: &syscall.Credential{Uid: 1}},
			attr.List{attr.Credential{UID: 1, Root: true}, attr.AmbientCaps{unix.CAP_KILL, unix.CAP_KILL}},
		},
		"none": {syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 1}}, attr.List{attr.Credential{UID: 1, Root: true}, attr.AmbientCaps{}}},
	} {
		spec := spawntest.Cat(t, c.list...)
		cmd := exec.Command(spec.Path, "/proc/self/status")
		cmd.SysProcAttr = &c.sys
		out, err := cmd.Output()
		// os/exec leaves the flag cleared.
		_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := capLines(testenv.ParseSeen(string(out)))
		spawntest.EachEngine(t, func(t *testing.T) {
			if got := capLines(spawntest.SeenWith(t, c.list...)); got != want {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
			}
		})
	}
}

// TestAmbientCapsInUserNamespace needs no privilege.
func TestAmbientCapsInUserNamespace(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := []attr.IDMapEntry{{ContainerID: 5, HostID: os.Geteuid(), Size: 1}}, []attr.IDMapEntry{{ContainerID: 5, HostID: os.Getegid(), Size: 1}}
	for _, ns := range []attr.Attr{
		attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER},
	} {
		spawntest.EachEngine(t, func(t *testing.T) {
			s := spawntest.SeenWith(t, ns, attr.IDMap{UID: uid, GID: gid}, attr.AmbientCaps{unix.CAP_SYS_ADMIN, unix.CAP_SYSLOG})
			want := fmt.Sprintf("%016x", uint64(1)<<unix.CAP_SYS_ADMIN|1<<unix.CAP_SYSLOG)
			for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapAmb"} {
				if s.Status[set] != want {
					t.Errorf("%T: %s is %s, want %s", ns, set, s.Status[set], want)
				}
			}
		})
	}
}

func init() {
	spawntest.Unprivileged("ambient capability", func(string) error {
		return spawntest.EachEngineError(func(string) error {
			_, err := spawn.Start(context.Background(), spawntest.Shell(":", attr.Umask(0), attr.AmbientCaps{unix.CAP_KILL}))
			if how := (spawntest.Fails("capset", 1, "[CAP_KILL]", unix.EPERM)).Differs(err); how != "" {
				return fmt.Errorf("%w: %s", err, how)
			}
			return nil
		})
	})
}

var _ = testenv.RegisterHelper("allcaps", func([]string) int {
	list, err := attr.ParseCapabilities("all,-kill")
	fmt.Print(len(list), errors.Is(err, errors.ErrUnsupported), errors.Is(err, unix.EXDEV))
	return 0
})

// TestAllUnknown wants "all" to be an error where a filter hides the bounding set, and
// not to be no capabilities.
func TestAllUnknown(t *testing.T) {
	s := spawntest.Helper(t, "allcaps")
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_PRCTL, unix.SYS_CAPGET)}
	if out := spawntest.Output(t, s); out != "0 true true" {
		t.Errorf("%q", out)
	}
	all, err := attr.ParseCapabilities("all,-kill")
	if err != nil {
		t.Fatal(err)
	}
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_CAPGET)}
	if out, want := spawntest.Output(t, s), fmt.Sprint(len(all), false, false); out != want {
		t.Errorf("%q, want %q", out, want)
	}
}
