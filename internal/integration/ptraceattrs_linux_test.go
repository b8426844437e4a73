//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// need skips what this process can't do.
func (s tracedSpec) need(t *testing.T) {
	t.Helper()
	if s.root {
		testenv.NeedRoot(t)
	}
	if s.inNew != 0 {
		spawntest.NeedNamespaces(t, s.inNew)
	}
	if s.keys {
		testenv.NeedCall(t, "keyctl", unix.SYS_KEYCTL)
	}
}

func tracedCapabilities(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{
		attr.AmbientCaps{unix.CAP_KILL, unix.CAP_SYSLOG}, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody},
		attr.ParentDeathSignal(unix.SIGTERM), attr.Namespaces{Flags: unix.CLONE_NEWUTS},
	}
	return s, errorOr(err, oddThread)
}

// oddThread makes the calling thread one that makes its children itself.
func oddThread() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }

func errorOr(err error, f func() error) error {
	if err != nil {
		return err
	}
	return f()
}

func tracedParentDeath(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{attr.ParentDeathSignal(unix.SIGTERM)}
	return s, errorOr(err, oddThread)
}

func tracedExact(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{
		attr.OnlyCapabilities(unix.CAP_KILL), attr.SecureBits(0), attr.Personality(0), attr.ChildSubreaper{},
		attr.IDs{RUID: testenv.Nobody, EUID: testenv.Nobody, RGID: attr.KeepID, EGID: testenv.Nobody}, attr.SessionKeyring(""),
	}
	return s, err
}

func tracedUnshare(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	s.Attr = attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS}, attr.Chroot("/"), attr.Nice(19)}
	return s, err
}

func tracedOwnMap(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	own := []attr.IDMapEntry{{ContainerID: 0, HostID: 0, Size: 1}}
	s.Attr = attr.List{attr.IDMap{UID: own, GID: own}, attr.Unshare{Flags: unix.CLONE_NEWUSER}}
	return s, err
}

func tracedIDMap(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	ids := []attr.IDMapEntry{{ContainerID: 0, HostID: 0, Size: 1000}}
	s.Attr = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: ids, GID: ids}}
	return s, err
}

func tracedSandbox(dir string) (*spawn.Spec, error) {
	s, err := tracedPlain(dir)
	if err != nil {
		return nil, err
	}
	ruleset, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{dir}, BestEffort: true})
	if err != nil {
		return nil, err
	}
	s.Actions.Open(20, dir, unix.O_DIRECTORY, 0)
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME), ruleset.Attr()}
	return s, nil
}
