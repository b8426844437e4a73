//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// deathSignal is that of the first thread, which runs what initializes packages.
var deathSignal = func() (sig int32) {
	if len(os.Args) > 0 && os.Args[0] == testenv.HelperPrefix+"death signal" {
		_ = unix.Prctl(unix.PR_GET_PDEATHSIG, reflect.ValueOf(&sig).Pointer(), 0, 0, 0)
	}
	return sig
}()

var _ = testenv.RegisterHelper("death signal", func([]string) int {
	fmt.Println(deathSignal)
	return 0
})

// deathSignalCase is a list with which the signal is kept, or lost.
type deathSignalCase struct {
	lost bool
	list attr.List
}

func deathSignalCases() map[string]deathSignalCase {
	keep := uint32(attr.KeepID)
	root := attr.Credential{Root: true}
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	none, kill, both := []attr.Capability{}, []attr.Capability{unix.CAP_KILL}, []attr.Capability{unix.CAP_KILL, unix.CAP_SYSLOG}
	one := []attr.IDMapEntry{{Size: 1}}
	reduced := attr.Capabilities{Effective: none, Permitted: none}
	newUser := attr.Namespaces{Flags: unix.CLONE_NEWUSER}
	mapped := attr.IDMap{UID: one, GID: one}
	return map[string]deathSignalCase{
		"nothing":                {false, nil},
		"root":                   {false, attr.List{root}},
		"user":                   {false, attr.List{user}},
		"ResetIDs":               {false, attr.List{attr.ResetIDs{}}},
		"equal ids":              {false, attr.List{attr.IDs{RUID: 1, EUID: 1, RGID: 2, EGID: 2}}},
		"kept ids":               {false, attr.List{attr.IDs{RUID: keep, EUID: keep, RGID: keep, EGID: keep}}},
		"kept as they are":       {false, attr.List{attr.IDs{RUID: 0, EUID: keep, RGID: keep, EGID: 0, Root: true}}},
		"uids":                   {true, attr.List{attr.IDs{RUID: 1000, RGID: keep, EGID: keep, KeepGroups: true, Root: true}}},
		"uids, other way":        {true, attr.List{attr.IDs{EUID: 1000, RGID: keep, EGID: keep, KeepGroups: true, Root: true}}},
		"kept uid":               {true, attr.List{attr.IDs{RUID: 1000, EUID: keep, RGID: keep, EGID: keep}}},
		"gids":                   {true, attr.List{attr.IDs{RUID: 1, EUID: 1, RGID: 1, EGID: 2}}},
		"kept gid":               {true, attr.List{attr.IDs{RUID: 1, EUID: 1, RGID: keep, EGID: 2}}},
		"mixed, NoNewPrivs":      {true, attr.List{attr.IDs{RUID: 1, EUID: 2, RGID: 3, EGID: 3}, attr.NoNewPrivs{}}},
		"mixed, NOROOT":          {true, attr.List{attr.IDs{RUID: 1, EUID: 2, RGID: 3, EGID: 3}, attr.SecureBits(1)}},
		"reduced":                {true, attr.List{reduced}},
		"reduced, root":          {true, attr.List{reduced, root}},
		"reduced, user":          {false, attr.List{reduced, user}},
		"reduced, NoNewPrivs":    {false, attr.List{reduced, attr.NoNewPrivs{}}},
		"reduced, NOROOT":        {false, attr.List{reduced, attr.SecureBits(1)}},
		"reduced, other bits":    {true, attr.List{reduced, attr.SecureBits(4)}},
		"only effective":         {false, attr.List{attr.Capabilities{Effective: none}}},
		"bounding":               {false, attr.List{attr.Capabilities{Bounding: kill}}},
		"permitted in bounding":  {true, attr.List{attr.Capabilities{Effective: kill, Permitted: kill, Bounding: both}}},
		"bounding in permitted":  {false, attr.List{attr.Capabilities{Effective: kill, Permitted: both, Bounding: kill}}},
		"NoCapabilities":         {false, attr.List{attr.NoCapabilities()}},
		"NoCapabilities, user":   {false, attr.List{attr.NoCapabilities(), user}},
		"OnlyCapabilities":       {false, attr.List{attr.OnlyCapabilities(both...)}},
		"OnlyCapabilities, user": {false, attr.List{attr.OnlyCapabilities(both...), user}},
		"ambient":                {false, attr.List{attr.AmbientCaps(both)}},
		"ambient, user":          {false, attr.List{attr.AmbientCaps(both), user}},
		"user namespace":         {false, attr.List{newUser, mapped}},
		"user namespace, root":   {false, attr.List{newUser, mapped, attr.Credential{Root: true, KeepGroups: true}}},
		"user namespace, ids":    {true, attr.List{newUser, mapped, attr.Credential{Root: true, KeepGroups: true}, reduced}},
		"user namespace, none":   {false, attr.List{newUser, mapped, attr.Credential{Root: true, KeepGroups: true}, attr.NoCapabilities()}},
		"unshared, root":         {false, attr.List{attr.Unshare{Flags: unix.CLONE_NEWUSER}, mapped, attr.Credential{Root: true, KeepGroups: true}}},
	}
}

// TestDeathSignalKept asks the program for its signal, and wants lists with which it
// would have none to be refused.
func TestDeathSignalKept(t *testing.T) {
	testenv.NeedRoot(t)
	s := spawntest.Helper(t, "death signal")
	spawntest.ForAnybody(t, s)
	mapped := spawntest.CanMap()
	for name, c := range deathSignalCases() {
		if !mapped && strings.Contains(fmt.Sprintf("%#v", c.list), "attr.IDMap") {
			continue
		}
		s.Attr = append(attr.List{attr.ParentDeathSignal(unix.SIGTERM)}, c.list...)
		if c.lost {
			_, err := spawn.Compile(s)
			spawntest.CheckFault(t, err, spawntest.Fails("pdeathsig", 0, "SIGTERM", unix.EINVAL))
			s.Attr[0] = attr.Nameless{Attr: attr.ParentDeathSignal(unix.SIGTERM)}
			if out := spawntest.Output(t, s); out != "0\n" {
				t.Errorf("%s: refused although the program has signal %s", name, out)
			}
			continue
		}
		if out, state, err := spawntest.TryOutput(s); err != nil || !state.Success() || out != "15\n" {
			t.Errorf("%s: %v, %v, signal %q", name, state, err, out)
		}
	}
}
