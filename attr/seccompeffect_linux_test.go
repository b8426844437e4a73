//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// only allows some system calls, and kills for all others.
func only(calls ...int) attr.Seccomp {
	return spawntest.Filter(unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_KILL_PROCESS, calls...)
}

// threadsSecured are the lines about seccomp of all threads of this process.
func threadsSecured(t testing.TB) []string {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, task := range tasks {
		b, err := os.ReadFile("/proc/self/task/" + task.Name() + "/status")
		if err != nil {
			continue // it has ended
		}
		s := testenv.ParseSeen(string(b)).Status
		seen = append(seen, s["Seccomp"]+" "+s["Seccomp_filters"]+" "+s["NoNewPrivs"])
	}
	slices.Sort(seen)
	return slices.Compact(seen)
}

// TestSeccomp wants one filter more than this process has.
func TestSeccomp(t *testing.T) {
	const log = 2 // SECCOMP_FILTER_FLAG_LOG
	before := threadsSecured(t)
	var filters int
	if _, err := fmt.Sscan(spawntest.SeenWith(t).Status["Seccomp_filters"], &filters); err != nil {
		t.Fatal(err)
	}
	f := spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)
	f.Flags = log
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.SeenWith(t, f, attr.NoNewPrivs{}, attr.Nice(19))
		if s.Status["Seccomp"] != "2" || s.Status["Seccomp_filters"] != strconv.Itoa(filters+1) || s.Status["NoNewPrivs"] != "1" {
			t.Errorf("mode %s, %s filters", s.Status["Seccomp"], s.Status["Seccomp_filters"])
		}
		uname := spawntest.Helper(t, "uname")
		uname.Attr = attr.List{attr.NoNewPrivs{}, f}
		if out := spawntest.Output(t, uname); out != unix.EXDEV.Error() {
			t.Errorf("uname: %s", out)
		}
	})
	if now := threadsSecured(t); !slices.Equal(now, before) {
		t.Errorf("seccomp in this process was %q and is %q", before, now)
	}
}

var _ = testenv.RegisterHelper("uname", func([]string) int {
	fmt.Print(unix.Uname(new(unix.Utsname)))
	return 0
})

// TestSeccompIsLast has filters that kill for all that a child does but execve, and
// exit_group, by which the program ends.
func TestSeccompIsLast(t *testing.T) {
	s := spawntest.Exits(t, 7)
	s.Attr = attr.List{
		only(unix.SYS_EXECVE, unix.SYS_EXIT_GROUP), attr.NoNewPrivs{}, attr.SigMask{1}, attr.SigIgnore{2},
		attr.Umask(1), attr.Nice(19), attr.NoFile{Soft: 20, Hard: 20}, attr.Setsid{},
	}
	s.Actions.Open(5, "/dev/null", os.O_RDONLY, 0)
	s.Actions.Chdir("/")
	spawntest.EachEngine(t, func(t *testing.T) {
		if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
		// A failure is reported through memory, or with write.
		calls := []int{unix.SYS_EXECVE, unix.SYS_EXIT_GROUP}
		if !spawn.Features().Has(spawn.FeatureSharedMemory) {
			calls = append(calls, unix.SYS_WRITE)
		}
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/missing", Attr: attr.List{attr.NoNewPrivs{}, only(calls...)}})
		spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, "/missing", unix.ENOENT))
	})
}

// TestSeccompAgainstExecve has filters that don't let the program start.
func TestSeccompAgainstExecve(t *testing.T) {
	s := spawntest.Exits(t, 7)
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_EXECVE)}
	spawntest.Try(t, []spawntest.Fault{{Name: "refused", Spec: s, Want: spawntest.Fails("execve", -1, s.Path, unix.EXDEV)}})
	kills, stays := *s, *s
	kills.Attr = attr.List{attr.NoNewPrivs{}, only(unix.SYS_EXIT_GROUP)}
	stays.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_EXIT_GROUP)}
	spawntest.Try(t, []spawntest.Fault{
		{Name: "kills", Spec: &kills, Want: spawntest.Fails("seccomp", 1, "execve", unix.EINVAL)},
		{Name: "stays", Spec: &stays, Want: spawntest.Fails("seccomp", 1, "exit_group", unix.EINVAL)},
	})
}

// TestBusyWithoutSleep has a program that is open for writing, and a filter that
// kills for nanosleep.
func TestBusyWithoutSleep(t *testing.T) {
	s := spawntest.Exits(t, 7)
	w, err := os.OpenFile(s.Path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Filter(unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_ALLOW, unix.SYS_NANOSLEEP)}
	spawntest.Try(t, []spawntest.Fault{{Name: "busy", Spec: s, Want: spawntest.Fails("execve", -1, s.Path, unix.ETXTBSY)}})
}

// TestLongestFilter has as many instructions as there may be.
func TestLongestFilter(t *testing.T) {
	s := spawntest.Exits(t, 7)
	f := make([]attr.SockFilter, 4096)
	for i := range f {
		f[i] = spawntest.BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, 0)
	}
	f[4095] = spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW)
	s.Attr = attr.List{attr.NoNewPrivs{}, attr.Seccomp{Filter: f}}
	if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
		t.Errorf("%v, %v", state, err)
	}
}

// secured are attributes that need NoNewPrivs, or privilege, and what they are
// called in an error without.
func secured(ruleset *attr.LandlockRuleset) map[string]spawntest.Fault {
	return map[string]spawntest.Fault{
		"landlock": {Spec: &spawn.Spec{Attr: attr.List{ruleset.Attr()}},
			Want: spawntest.Fails("landlock", 0, "landlock-ruleset", unix.EPERM)},
		"seccomp": {Spec: &spawn.Spec{Attr: attr.List{spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)}},
			Want: spawntest.Fails("seccomp", 0, "4 instructions", unix.EACCES)},
	}
}

// TestSecuredByRoot needs no NoNewPrivs while there is CAP_SYS_ADMIN.
func TestSecuredByRoot(t *testing.T) {
	testenv.NeedRoot(t)
	for name, f := range secured(spawntest.NewRuleset(t, attr.LandlockRules{Execute: []string{"/"}})) {
		s := spawntest.Exits(t, 7)
		s.Attr = f.Spec.Attr
		spawntest.EachEngine(t, func(t *testing.T) {
			if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
				t.Errorf("%s: %v, %v", name, state, err)
			}
		})
		dropped := *s
		dropped.Attr = append(slices.Clone(s.Attr), attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
		spawntest.Try(t, []spawntest.Fault{{Name: name, Spec: &dropped, Want: f.Want}})
	}
}

func init() {
	spawntest.Unprivileged("secured", func(string) error {
		if !spawntest.HasLandlock() {
			return nil
		}
		ruleset, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/"}, BestEffort: true})
		if err != nil {
			return err
		}
		defer ruleset.Close()
		return spawntest.EachEngineError(func(string) error {
			for _, f := range secured(ruleset) {
				s := &spawn.Spec{Path: "/bin/true", Attr: f.Spec.Attr}
				_, err := spawn.Start(context.Background(), s)
				if how := f.Want.Differs(err); how != "" {
					return fmt.Errorf("%w: %s", err, how)
				}
				s.Attr = append(slices.Clone(s.Attr), attr.NoNewPrivs{})
				if state, err := spawn.Run(context.Background(), s); err != nil || !state.Success() {
					return fmt.Errorf("%v, %w", state, err)
				}
			}
			return nil
		})
	})
}
