//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestStepsHaveNames wants what has a name to be told by it, in calls and objects.
func TestStepsHaveNames(t *testing.T) {
	p, err := spawn.Compile(spawntest.Shell(":", attr.SigIgnore{unix.SIGUSR1}, attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: 5, Hard: 9},
		attr.ParentDeathSignal(unix.SIGTERM), attr.OnlyCapabilities(unix.CAP_NET_RAW), attr.RlimitToHard(unix.RLIMIT_CORE)))
	if err != nil {
		t.Fatal(err)
	}
	var calls, objects strings.Builder
	for _, s := range p.Steps() {
		calls.WriteString(s.String() + "\n")
		objects.WriteString(s.Object + "\n")
	}
	for text, wants := range map[string][]string{
		calls.String(): {"rt_sigaction(SIGUSR1, ", "prlimit64(0, RLIMIT_NPROC, ", "prlimit64(0, RLIMIT_CORE, ", "prctl(PR_SET_PDEATHSIG, SIGTERM, ",
			"SIGTERM) //", "prctl(PR_CAPBSET_READ, CAP_CHOWN, ", "prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, ",
			"prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_RAW, ", "prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, "},
		objects.String(): {"SIGUSR1\n", "RLIMIT_NPROC soft=5 hard=9\n", "RLIMIT_CORE soft=hard\n", "SIGTERM\n", "CAP_CHOWN\n", "CAP_NET_RAW\n",
			"effective=[CAP_NET_RAW] permitted=[CAP_NET_RAW] inheritable=[CAP_NET_RAW]\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

// TestStepsHaveParts wants each step to belong to the list that its index counts in.
func TestStepsHaveParts(t *testing.T) {
	spec := spawntest.Shell(":", attr.Umask(0), attr.Setsid{}, attr.Nice(1))
	spec.Actions = spawn.FileActions{}
	spec.Actions.Open(0, "/dev/null", 0, 0)
	spec.Actions.Chdir("/")
	lists := map[spawn.Part][]string{
		spawn.PartAttr:   {spawn.StepUmask, spawn.StepSetsid, spawn.StepNice},
		spawn.PartAction: {spawn.StepOpen, spawn.StepChdir},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		p, err := spawn.Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range p.Steps() {
			list, indexed := lists[s.Part]
			switch {
			case !indexed && (s.Part != spawn.PartStart || s.Index != -1):
				t.Errorf("%v %d of %s", s.Part, s.Index, s.Name)
			case indexed && (s.Index < 0 || s.Index >= len(list) || list[s.Index] != s.Name):
				t.Errorf("%v %d is %s", s.Part, s.Index, s.Name)
			}
		}
	})
}
