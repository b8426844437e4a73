//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestAmbientCapsEffective wants what the program may do to be allowed to file
// actions, and on the way to the program.
func TestAmbientCapsEffective(t *testing.T) {
	testenv.NeedRoot(t)
	dir := filepath.Join(testenv.PublicDir(t), "closed")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	secret, inside := filepath.Join(dir, "secret"), filepath.Join(dir, "program")
	testenv.Write(t, secret, "", 0o600)
	testenv.Program(t, inside, 3)
	user := attr.Credential{UID: 54321, GID: 54321}
	search := []attr.Capability{unix.CAP_DAC_READ_SEARCH}
	lists := map[string]attr.List{
		"AmbientCaps": {user, attr.AmbientCaps(search)},
		"ids":         {attr.IDs{RUID: 1, EUID: 1, RGID: 1, EGID: 1}, attr.AmbientCaps(search)},
		"ambient set": {user, attr.Capabilities{Ambient: search, Inheritable: search}},
		"all sets":    {user, attr.OnlyCapabilities(search...)},
		"securebits":  {user, attr.AmbientCaps(search), attr.SecureBits(1)},
		"NOROOT":      {attr.SecureBits(1), attr.AmbientCaps(search)},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, list := range lists {
			s := &spawn.Spec{Path: inside, Attr: list}
			s.Actions.Open(5, secret, os.O_RDONLY, 0)
			if state, err := spawn.Run(t.Context(), s); err != nil || state.ExitCode() != 3 {
				t.Errorf("%s: %v, %v", name, state, err)
			}
		}
		// Not more than that.
		s := &spawn.Spec{Path: inside, Attr: attr.List{user, attr.AmbientCaps{unix.CAP_KILL}}}
		s.Actions.Open(5, secret, os.O_RDONLY, 0)
		if state, err := spawn.Run(t.Context(), s); err == nil {
			t.Errorf("without the capability: %v", state)
		}
	})
}

// TestKeepCapsLocked has a thread whose securebits forbid what only a change of
// ids needs.
func TestKeepCapsLocked(t *testing.T) {
	testenv.NeedRoot(t)
	const locked, noFixup = 0x20, 0x4
	raised := []attr.Capability{unix.CAP_NET_RAW}
	unchanged := map[string]attr.List{
		"AmbientCaps":  {attr.AmbientCaps(raised)},
		"Capabilities": {attr.OnlyCapabilities(raised...)},
		"securebits":   {attr.AmbientCaps(raised), attr.SecureBits(0x2f)},
		"same ids":     {attr.Credential{Root: true, KeepGroups: true}, attr.AmbientCaps(raised)},
		"kept ids":     {attr.IDs{RUID: attr.KeepID, EUID: attr.KeepID, RGID: 7, EGID: 7}, attr.OnlyCapabilities(raised...)},
	}
	changed := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			if err := unix.Prctl(unix.PR_SET_SECUREBITS, locked, 0, 0, 0); err != nil {
				t.Error(err)
				return
			}
			for name, list := range unchanged {
				out, state, err := spawntest.TryOutput(spawntest.Cat(t, list...))
				if err != nil || !state.Success() || testenv.ParseSeen(out).Status["CapAmb"] != "0000000000002000" {
					t.Errorf("%s: %v, %v\n%s", name, state, err, out)
				}
			}
			_, _, err := spawntest.TryOutput(spawntest.Cat(t, changed, attr.AmbientCaps(raised)))
			spawntest.CheckFault(t, err, spawntest.Fails("capset", 1, "[CAP_NET_RAW]", unix.EPERM))
			if err := unix.Prctl(unix.PR_SET_SECUREBITS, locked|noFixup, 0, 0, 0); err != nil {
				t.Error(err)
				return
			}
			for _, a := range []attr.Attr{attr.AmbientCaps(raised), attr.OnlyCapabilities(raised...)} {
				if out, _, err := spawntest.TryOutput(spawntest.Cat(t, changed, a)); err != nil || testenv.ParseSeen(out).Status["CapAmb"] != "0000000000002000" {
					t.Errorf("%T without the fix-up: %v\n%s", a, err, out)
				}
			}
		})
	})
}
