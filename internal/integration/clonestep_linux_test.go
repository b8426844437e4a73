//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// parentSteps are the steps of this process, which come first.
func parentSteps(t *testing.T, s *spawn.Spec) []spawn.Step {
	t.Helper()
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Steps()
	child := slices.IndexFunc(steps, func(s spawn.Step) bool { return !s.Parent })
	if child < 1 || slices.ContainsFunc(steps[child:], func(s spawn.Step) bool { return s.Parent }) {
		t.Fatalf("%v", steps)
	}
	return steps[:child]
}

// TestStepsBeginWithClone wants the flags of clone, and whoever writes maps, to be
// shown.
func TestStepsBeginWithClone(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		has := spawn.Features()
		steps := parentSteps(t, &spawn.Spec{Path: "/bin/true"})
		text := steps[0].String()
		if len(steps) != 1 || steps[0].Part != spawn.PartStart || steps[0].Name != spawn.StepClone || steps[0].Index != -1 || steps[0].Number <= 0 {
			t.Errorf("%#v", steps)
		}
		for flag, want := range map[string]bool{
			"CLONE_VM": has.Has(spawn.FeatureSharedMemory), "CLONE_VFORK": has.Has(spawn.FeatureSharedMemory), "CLONE_PIDFD": has.Has(spawn.FeaturePidfd),
			"CLONE_CLEAR_SIGHAND": has.Has(spawn.FeatureClone3), "clone3(": has.Has(spawn.FeatureClone3), "CLONE_NEW": false, "cgroup": false,
		} {
			if strings.Contains(text, flag) != want {
				t.Errorf("%s: %v in %s", flag, !want, text)
			}
		}
		m := attr.IDMap{UID: []attr.IDMapEntry{{HostID: os.Geteuid(), Size: 1}}, GID: []attr.IDMapEntry{{HostID: os.Getegid(), Size: 1}}}
		steps = parentSteps(t, &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Umask(0), attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWUTS}, m}})
		var got []string
		for _, s := range steps {
			got = append(got, s.Name)
		}
		if want := []string{"clone", "uid_map", "setgroups", "gid_map", "id_map"}; !slices.Equal(got, want) {
			t.Fatalf("%q, want %q", got, want)
		}
		if s := steps[0]; s.Part != spawn.PartAttr || s.Index != 1 || !strings.Contains(s.String(), "CLONE_NEWUTS|CLONE_NEWUSER") {
			t.Errorf("%#v", s)
		}
		for i, path := range map[int]string{1: "/proc/PID/uid_map, ", 2: "/proc/PID/setgroups, ", 3: "/proc/PID/gid_map, "} {
			if s := steps[i]; s.Index != 2 || s.Syscall != "write" || !strings.Contains(s.String(), path) || !strings.Contains(s.Note, "parent") {
				t.Errorf("%#v", s)
			}
		}
	})
}

// TestStepsOfCgroup wants the cgroup that a child is born in to be shown.
func TestStepsOfCgroup(t *testing.T) {
	dir, err := os.Open("/sys/fs/cgroup")
	if err != nil {
		testenv.Skip(t, "no cgroups")
	}
	defer dir.Close()
	s := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Cgroup{Dir: dir}}}
	if _, err := spawn.Compile(s); err != nil {
		testenv.Skip(t, "no cgroups of version 2")
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		first := parentSteps(t, s)[0]
		born := spawn.Features().Has(spawn.FeatureCgroup)
		if strings.Contains(first.String(), "CLONE_INTO_CGROUP") != born || strings.Contains(first.Note, `in cgroup "/sys/fs/cgroup`) != born {
			t.Errorf("%v", first)
		}
	})
}
