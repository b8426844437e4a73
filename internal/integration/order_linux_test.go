//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// phasesOf are the phases in which a step does something.
var phasesOf = map[string][]plan.Phase{
	"clone":      {plan.Relay},
	"file_table": {plan.FileTable, plan.CloseRest, plan.Landlock}, "id_map": {plan.FileTable},
	"sigdefault": {plan.Signals}, "sigignore": {plan.Signals},
	"setsid": {plan.Session}, "setpgid": {plan.Session}, "foreground": {plan.Session},
	"cgroup": {plan.Cgroup}, "oom_score_adj": {plan.HostFiles}, "coredump_filter": {plan.HostFiles},
	"rlimit": {plan.RaiseLimits, plan.Lower}, "affinity": {plan.Affinity},
	"sched": {plan.Raise}, "sched_util": {plan.Raise}, "nice": {plan.Raise}, "mempolicy": {plan.Raise}, "ioprio": {plan.Raise},
	"core_sched": {plan.Raise},
	"dumpable":   {plan.Hide, plan.Namespaces, plan.DropCaps},
	"setns":      {plan.JoinNamespaces},
	"unshare":    {plan.Namespaces}, "uid_map": {plan.Namespaces}, "gid_map": {plan.Namespaces},
	"timens_offsets": {plan.Namespaces}, "private_mounts": {plan.Namespaces, plan.Mounts}, "mount": {plan.Mounts, plan.Root},
	"new_root": {plan.Root}, "open_tree": {plan.Root},
	"chroot": {plan.Root}, "pivot_root": {plan.Root}, "sethostname": {plan.Root}, "setdomainname": {plan.Root}, "loopback": {plan.Root},
	"keepcaps": {plan.KeepCaps}, "bounding": {plan.KeepCaps},
	"setgroups": {plan.Namespaces, plan.Credentials}, "setresgid": {plan.Credentials}, "setresuid": {plan.Credentials},
	"ambient": {plan.Capabilities}, "capset": {plan.Capabilities, plan.DropCaps}, "securebits": {plan.SecureBits},
	"pdeathsig": {plan.AfterCredentials}, "keyring": {plan.AfterCredentials},
	"umask": {plan.Umask},
	"open":  {plan.Files}, "openat": {plan.Files}, "dup2": {plan.Files}, "file": {plan.Files}, "close": {plan.Files},
	"openat2": {plan.Files}, "mkdir": {plan.Root, plan.Files}, "symlink": {plan.Root, plan.Files}, "closefrom": {plan.Files}, "inherit": {plan.Files}, "chdir": {plan.Files}, "fchdir": {plan.Files}, "tcsetpgrp": {plan.Files},
	"path": {plan.Terminal}, "env": {plan.HostFiles},
	"noctty": {plan.Terminal}, "ctty": {plan.Terminal},
	"timerslack": {plan.Lower}, "personality": {plan.Lower}, "subreaper": {plan.Lower},
	"mdwe": {plan.Lower}, "thp_disable": {plan.Lower}, "memory_merge": {plan.Lower},
	"no_new_privs": {plan.NoNewPrivs}, "landlock": {plan.CloseRest, plan.Landlock}, "ptrace": {plan.Ptrace, plan.Mask}, "suspend": {plan.Ptrace, plan.Mask},
	"sigmask": {plan.Mask}, "seccomp": {plan.Seccomp}, "execve": {plan.Exec},
}

// allAttributes is Specs that have all attributes between them, and file actions of
// each kind, as many in one as go together.
func allAttributes(t *testing.T) []*spawn.Spec {
	open := func() *os.File {
		f, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	null, ruleset := open(), open()
	one := []attr.IDMapEntry{{Size: 1}}
	most := &spawn.Spec{Path: "/bin/true", Attr: attr.List{
		attr.SigMask{}, attr.InheritIgnored{}, attr.SigDefault{1}, attr.SigIgnore{2}, attr.Setsid{}, attr.ControllingTTY{File: null}, attr.DetachTTY{},
		attr.Cgroup{Dir: null}, attr.RlimitToHard(3), attr.Rlimit{Resource: 4}, attr.NoFile{Soft: 20, Hard: 20},
		attr.SchedPolicy{UtilMin: 1}, attr.Nice(1), attr.CPUAffinity{0}, attr.NUMAPolicy{}, attr.IOPrio{}, attr.CoreSched{},
		attr.TimerSlack(1), attr.JoinNamespace{File: null, Types: unix.CLONE_NEWNET},
		attr.Unshare{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWUTS}, attr.IDMap{UID: one, GID: one, Setgroups: true},
		attr.Mounts{{Target: "/"}}, attr.Chroot("/"), attr.Hostname("a"), attr.Domainname("b"), attr.Credential{Root: true},
		attr.AmbientCaps{1}, attr.SecureBits(0), attr.ParentDeathSignal(9), attr.SessionKeyring(""), attr.Umask(0),
		attr.Personality(0), attr.ChildSubreaper{}, attr.NoNewPrivs{}, attr.Landlock{File: ruleset}, attr.Ptrace{},
		spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME),
	}}
	most.PIDVariable = "LISTEN_PID"
	a := &most.Actions
	n := int(ruleset.Fd()) + 1 // no file of an attribute is in the way, and so moved before its phase
	a.Open(n, "/dev/null", os.O_RDONLY, 0)
	a.OpenAt(n+1, n, "x", os.O_RDONLY, 0)
	a.OpenAt2(n+1, n, "x", os.O_RDONLY, 0, 0)
	a.Mkdir("x", 0o700)
	a.Symlink("x", "y")
	a.Dup2(n, n+2)
	a.File(null, n+3)
	a.Close(n + 2)
	a.Open(n+20, "/dev/null", os.O_RDONLY, 0)
	a.CloseFrom(n + 10)
	a.Inherit(int(null.Fd()))
	a.Chdir("/")
	a.Fchdir(n)
	a.Tcsetpgrp(0)
	other := &spawn.Spec{Path: "/bin/true", Attr: attr.List{
		attr.Setpgid{}, attr.Foreground{File: null}, attr.NoFileOriginal, attr.IDs{Root: true}, attr.PivotRoot("/"),
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET}, attr.IDMap{UID: one, GID: one, Setgroups: true}, attr.Loopback{},
		attr.OnlyCapabilities(1), attr.OOMScoreAdj(1),
	}}
	other.Actions.InheritAll()
	third := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Setsid{}, attr.ControllingTTY{FD: attr.FD(0)}, attr.ResetIDs{}, attr.StartSuspended{},
		attr.CoredumpFilter(0), attr.MemoryDenyWriteExec{}, attr.NoHugePages{}, attr.MergePages{}, digestOf(t, "/bin/true")}}
	third.Actions.File(null, 3)
	fourth := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Umask(0), attr.DieWithParent{}, attr.Setsid{},
		attr.Unshare{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWTIME}, attr.TimeOffsets{}, attr.NewRoot{{Path: "/x", Bind: "/bin"}, {Path: "/y"}, {Path: "/z", Symlink: "y"}}}}
	t.Cleanup(pidns.EndForTest)
	if spawntest.HasLandlock() {
		rules := spawntest.NewRuleset(t, attr.LandlockRules{Read: []string{"/"}, InChild: true})
		fourth.Attr = append(fourth.Attr, attr.NoNewPrivs{}, rules.Attr())
	}
	return []*spawn.Spec{most, other, third, fourth}
}

// TestStepsByPhase wants all steps in the order of the table, whatever that of the
// list, and each in its phase.
func TestStepsByPhase(t *testing.T) {
	specs := allAttributes(t)
	if pidns.Able() == nil {
		was := phasesOf[plan.StepSetns]
		phasesOf[plan.StepSetns] = append(slices.Clone(was), plan.Relay)
		defer func() { phasesOf[plan.StepSetns] = was }()
	}
	seen := map[string]map[plan.Phase]bool{}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, s := range specs {
			for range 5 {
				rand.Shuffle(len(s.Attr), func(i, j int) { s.Attr[i], s.Attr[j] = s.Attr[j], s.Attr[i] })
				checkPhases(t, s, seen)
			}
		}
	})
	phases := map[plan.Phase]bool{}
	for name, list := range phasesOf {
		for _, ph := range list {
			phases[ph] = true
			if !seen[name][ph] && (name != "landlock" || spawntest.HasLandlock()) {
				t.Errorf("no step %s of phase %d", name, ph)
			}
		}
	}
	if len(phases) != len(plan.Phases) {
		t.Errorf("%d phases, steps of %d", len(plan.Phases), len(phases))
	}
}

func checkPhases(t *testing.T, s *spawn.Spec, seen map[string]map[plan.Phase]bool) {
	var phases []plan.Phase
	defer engine.OnCompileForTest(func(p *engine.Program) { phases = p.PhasesForTest() })()
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	steps := slices.DeleteFunc(p.Steps(), func(s spawn.Step) bool { return s.Parent })
	if !slices.IsSorted(phases) || len(phases) != len(steps) {
		t.Errorf("%#v: %v", s.Attr, phases)
	}
	for i, step := range steps {
		if !slices.Contains(phasesOf[step.Name], phases[i]) {
			t.Errorf("step %s is of phase %d, want %v", step.Name, phases[i], phasesOf[step.Name])
		}
		if seen[step.Name] == nil {
			seen[step.Name] = map[plan.Phase]bool{}
		}
		seen[step.Name][phases[i]] = true
	}
}

// inactive are attributes that Compile refuses where a security module is not
// active; see TestExecLabel.
var inactive = map[string]bool{"SELinuxContext": true, "AppArmorProfile": true}

// TestEverything wants all attributes that there are in what TestStepsByPhase looks
// at.
func TestEverything(t *testing.T) {
	used := map[string]bool{}
	kinds := map[string]bool{}
	defer engine.OnCompileForTest(func(p *engine.Program) {
		for _, x := range p.ActionsForTest() {
			kinds[x.Kind.String()] = true
		}
	})()
	for _, s := range allAttributes(t) {
		if _, err := spawn.Compile(s); err != nil {
			t.Error(err)
		}
		for _, a := range s.Attr {
			used[strings.TrimPrefix(fmt.Sprintf("%T", a), "attr.")] = true
		}
	}
	for _, name := range allNames(t) {
		if !used[name] && !inactive[name] {
			t.Errorf("attr.%s is in none of the Specs", name)
		}
	}
	for _, name := range plan.ActionKinds() {
		if !kinds[name] {
			t.Errorf("no file action %s in any of the Specs", name)
		}
	}
}
