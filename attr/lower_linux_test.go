//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package attr_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/attrlist"
	"github.com/safespawn/spawn/internal/plan"
)

// lowered is the names of the steps, and of their calls, in order.
func lowered(t *testing.T, list attr.List) []string {
	t.Helper()
	p := plan.New()
	if err := attrlist.Check(list, p.Claims()); err != nil {
		t.Fatal(err)
	}
	return loweredTo(t, p, list)
}

// unchecked is lowered for what this machine may lack.
func unchecked(t *testing.T, list attr.List) []string {
	t.Helper()
	return loweredTo(t, plan.New(), list)
}

func loweredTo(t *testing.T, p *plan.Plan, list attr.List) (steps []string) {
	t.Helper()
	attrlist.Lower(list, p)
	prog := p.Build()
	for _, c := range prog.Calls() {
		s := prog.Step(c.Step)
		if s.Index < 0 || s.Index >= len(list) {
			t.Errorf("%s has index %d", s.Name, s.Index)
		}
		steps = append(steps, s.Name+" "+c.Sys.Name())
	}
	return steps
}

// TestOrder wants the documented order, whatever that of the list.
func TestOrder(t *testing.T) {
	list := attr.List{
		attr.SigMask{}, attr.NoNewPrivs{}, attr.Umask(0), attr.Credential{Root: true}, attr.Chroot("/"), attr.Nice(0),
		attr.Setpgid{}, attr.SigIgnore{1}, attr.AmbientCaps{40}, attr.ParentDeathSignal(9), attr.Ptrace{}, attr.DetachTTY{},
		filterOf(),
	}
	want := []string{
		"sigignore rt_sigaction", "setpgid setpgid", "nice setpriority", "chroot chroot", "chroot chdir",
		"keepcaps prctl", "setgroups setgroups", "setresgid setresgid", "setresuid setresuid",
		"capset capget", "capset futex", "capset futex", "capset futex", "capset capset", "ambient prctl",
		"pdeathsig prctl", "pdeathsig getppid", "pdeathsig getpid", "pdeathsig tkill", "umask umask",
		"noctty ioctl", "no_new_privs prctl", "ptrace ptrace", "ptrace getppid", "ptrace getpid", "ptrace tkill",
		"seccomp seccomp",
	}
	for range 20 {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if got := lowered(t, list); !slices.Equal(got, want) {
			t.Errorf("%q\nfor %#v, want %q", got, list, want)
		}
	}
}

// TestSchedulingOrder wants files of the host first, then what needs privilege,
// with what that depends on before it; the slack comes after the policy, which may be one without.
func TestSchedulingOrder(t *testing.T) {
	list := attr.List{
		attr.TimerSlack(1), attr.Credential{KeepGroups: true, Root: true}, attr.Chroot("/"),
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1e6, Deadline: 1e7}, attr.OOMScoreAdj(1),
	}
	want := []string{
		"oom_score_adj openat", "oom_score_adj write", "oom_score_adj close", "sched sched_setattr",
		"chroot chroot", "chroot chdir", "setresgid setresgid", "setresuid setresuid", "timerslack prctl",
	}
	if got := lowered(t, list); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	list = attr.List{
		attr.Credential{KeepGroups: true, Root: true}, attr.SchedPolicy{UtilMin: 1}, attr.CPUAffinity{99}, attr.NUMAPolicy{}, attr.IOPrio{}, attr.CoreSched{}, attr.RlimitToHard(1),
	}
	want = []string{
		"rlimit prlimit64", "rlimit prlimit64", "rlimit prlimit64", "affinity sched_setaffinity",
		"sched sched_setscheduler", "sched_util sched_setattr", "mempolicy set_mempolicy", "ioprio ioprio_set", "core_sched prctl",
		"setresgid setresgid", "setresuid setresuid",
	}
	if got := lowered(t, list); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestPrivateOnce wants mounts that are to be shared to stay so, whatever the order
// of the list: all become private once, before. What is done in a chroot is left out.
func TestPrivateOnce(t *testing.T) {
	want := []string{
		"private_mounts mount", "mount mount", "pivot_root mount", "pivot_root chdir", "pivot_root pivot_root",
		"pivot_root umount2", "pivot_root chdir",
	}
	for _, list := range []attr.List{
		{attr.Namespaces{Flags: newNS}, attr.Mounts{{Target: "/", Flags: 1 << 20}}, attr.PivotRoot("/")},
		{attr.PivotRoot("/"), attr.Namespaces{Flags: newNS}, attr.Mounts{{Target: "/", Flags: 1 << 20}}},
	} {
		got := lowered(t, list)
		if i := slices.Index(got, "mount mount"); i > 0 {
			got = slices.Delete(got, 1, i)
		}
		if i, j := slices.Index(got, "pivot_root pivot_root"), slices.Index(got, "pivot_root umount2"); i > 0 && j > i {
			got = slices.Delete(got, i+1, j)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestLimitPhases raises before privilege is dropped, and lowers afterwards.
func TestLimitPhases(t *testing.T) {
	const infinity = ^uint64(0)
	ids := attr.Credential{KeepGroups: true, Root: true}
	set, uid, gid := "rlimit prlimit64", "setresuid setresuid", "setresgid setresgid"
	for _, test := range []struct {
		limit attr.Rlimit
		want  []string
	}{
		{attr.Rlimit{Resource: 7, Soft: infinity, Hard: infinity}, []string{set, gid, uid}},
		{attr.Rlimit{Resource: 7}, []string{gid, uid, set}},
		{attr.Rlimit{Resource: 7, Hard: infinity}, []string{set, gid, uid, set}},
	} {
		if got := lowered(t, attr.List{ids, test.limit}); !slices.Equal(got, test.want) {
			t.Errorf("%v: %q, want %q", test.limit, got, test.want)
		}
	}
}

// TestCapabilityOrder wants nothing to hinder what comes after it.
func TestCapabilityOrder(t *testing.T) {
	all := make([]attr.Capability, 63)
	for i := range all {
		all[i] = attr.Capability(i) + 1
	}
	list := attr.List{
		attr.SecureBits(0xc0), attr.Credential{KeepGroups: true, Root: true},
		attr.Capabilities{Effective: []attr.Capability{}, Permitted: []attr.Capability{1, 40}, Inheritable: []attr.Capability{1}, Ambient: []attr.Capability{1}, Bounding: all},
	}
	ids := []string{"setresgid setresgid", "setresuid setresuid"}
	ambient := []string{"capset capget", "capset futex", "capset capset", "ambient prctl", "ambient prctl"}
	bits := []string{
		"securebits capget", "securebits capget", "securebits futex", "securebits capset", "securebits prctl", "securebits capset",
	}
	want := slices.Concat([]string{"keepcaps prctl", "keepcaps prctl", "bounding prctl", "bounding prctl"}, ids, ambient, bits,
		[]string{"capset capset"})
	if got := lowered(t, list); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestHostFileOrder wants files of /proc to be written before the root changes,
// and what belongs to the memory to be set in one of the child's own.
func TestHostFileOrder(t *testing.T) {
	list := attr.List{
		attr.NoNewPrivs{}, attr.StartSuspended{}, attr.MergePages{}, attr.NoHugePages{}, attr.MemoryDenyWriteExec{},
		attr.Chroot("/"), attr.AppArmorProfile("p"), attr.SELinuxContext("c"), attr.CoredumpFilter(1),
	}
	want := []string{
		"apparmor openat", "apparmor openat", "apparmor write", "apparmor close", "selinux openat", "selinux write", "selinux close",
		"coredump_filter openat", "coredump_filter write", "coredump_filter close", "chroot chroot", "chroot chdir",
		"memory_merge prctl", "thp_disable prctl", "mdwe prctl", "no_new_privs prctl", "suspend ptrace", "suspend getppid", "suspend getpid", "suspend tkill",
	}
	if got := unchecked(t, list); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	for i, a := range list {
		p := plan.New()
		attrlist.Lower(attr.List{a}, p)
		if ofMemory := i >= 2 && i <= 4 || i == 8; p.CopiedMemory != ofMemory {
			t.Errorf("%#v: copied memory: %t", a, p.CopiedMemory)
		}
	}
}

func init() {
	refused := filterOf(bpf(ldAbs, 0, 0, 0), bpf(jeq, 0, 1, unix.SYS_WRITE), bpf(ret, 0, 0, unix.SECCOMP_RET_ERRNO|1))
	for _, a := range []attr.Attr{attr.CoredumpFilter(0), attr.MemoryDenyWriteExec{}, attr.NoHugePages{}, attr.MergePages{}} {
		contradictions = append(contradictions, contradiction{a: a, b: refused, with: attr.List{attr.NoNewPrivs{}}})
	}
}
