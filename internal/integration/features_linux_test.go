//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var _ = testenv.RegisterHelper("features", func([]string) int {
	for _, f := range spawn.Features() {
		fmt.Println(f.Name, f.Available, f.Version > 0)
	}
	return 0
})

// TestFeaturesOfAttributes wants what attributes need to be what they get.
func TestFeaturesOfAttributes(t *testing.T) {
	testenv.NeedCall(t, "clone3", unix.SYS_CLONE3)
	has := spawn.Features()
	ruleset, err := attr.NewLandlock(attr.LandlockRules{})
	if err == nil {
		ruleset.Close()
	}
	if has.Has(spawn.FeatureLandlock) != (err == nil) {
		t.Errorf("landlock: %v, %v", has.Has(spawn.FeatureLandlock), err)
	}
	for name, list := range map[spawn.FeatureName]attr.List{
		spawn.FeatureSeccomp:          {attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_PTRACE)},
		spawn.FeatureUserNamespaces:   {attr.Namespaces{Flags: unix.CLONE_NEWUSER}},
		spawn.FeatureCgroupNamespaces: {attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWCGROUP}},
		spawn.FeatureTimeNamespaces:   {attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWTIME}},
	} {
		if n, ok := list[0].(attr.Namespaces); ok && n.Flags != unix.CLONE_NEWUSER && !has.Has(spawn.FeatureUserNamespaces) {
			continue // nobody can tell
		}
		_, err := spawn.Run(t.Context(), &spawn.Spec{Path: "/bin/true", Attr: list})
		if has.Has(name) != (err == nil) {
			t.Errorf("%s: %v, %v", name, has.Has(name), err)
		}
	}
	defer kernel.NoNamespacesForTest()()
	for _, name := range []spawn.FeatureName{spawn.FeatureCgroupNamespaces, spawn.FeatureTimeNamespaces} {
		if spawn.Features().Has(name) {
			t.Errorf("%s: the kernel has no such namespaces", name)
		}
	}
}

// TestFeaturesUnderFilters wants a call that a filter refuses, or kills for, to be
// missing, and nothing else.
func TestFeaturesUnderFilters(t *testing.T) {
	all := spawntest.Output(t, spawntest.Helper(t, "features"))
	for _, c := range []struct {
		name spawn.FeatureName
		call int
	}{
		{spawn.FeatureLandlock, unix.SYS_LANDLOCK_CREATE_RULESET},
		{spawn.FeatureSeccomp, unix.SYS_SECCOMP},
	} {
		for what, action := range map[string]uint32{"refused": unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM), "killed": unix.SECCOMP_RET_KILL_PROCESS} {
			s := spawntest.Helper(t, "features")
			s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Filter(action, unix.SECCOMP_RET_ALLOW, c.call)}
			want := all
			for _, version := range []string{"true", "false"} {
				want = strings.Replace(want, fmt.Sprintln(c.name, true, version), fmt.Sprintln(c.name, false, false), 1)
			}
			if got := spawntest.Output(t, s); got != want {
				t.Errorf("%s %s: got\n%s\nwant\n%s", c.name, what, got, want)
			}
		}
	}
}
