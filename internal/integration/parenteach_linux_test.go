//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// eachAttribute is a Spec for each attribute, of a program that exits with 7. What
// needs a namespace has it made.
func eachAttribute(t *testing.T) map[string]*spawn.Spec {
	dir := spawntest.RootDirectory(t, 7)
	_, tty := testenv.OpenPTY(t)
	uts := spawntest.NamespaceFile(t, os.Getpid(), "uts")
	uid, gid := spawntest.MapOwn()
	user := attr.Namespaces{Flags: unix.CLONE_NEWUSER}
	names := attr.Namespaces{Flags: spawntest.WithUser(unix.CLONE_NEWUTS)}
	mounts := attr.Namespaces{Flags: spawntest.WithUser(unix.CLONE_NEWNS)}
	specs := map[string]*spawn.Spec{}
	for _, list := range []attr.List{
		{attr.SigMask{1}}, {attr.InheritIgnored{}}, {attr.SigDefault{1}}, {attr.SigIgnore{2}}, {attr.Setsid{}}, {attr.Setpgid{}},
		{attr.ControllingTTY{File: tty}, attr.Setsid{}}, {attr.ControllingTTY{FD: attr.FD(0)}, attr.Setsid{}}, {attr.DetachTTY{}},
		{attr.Foreground{File: tty}, attr.Setpgid{}},
		{attr.Umask(0o123)}, {attr.Nice(19)}, {attr.Rlimit{Resource: unix.RLIMIT_CPU, Soft: 10, Hard: 20}},
		{attr.RlimitToHard(unix.RLIMIT_CORE)}, {attr.NoFile{Soft: 20, Hard: 30}}, {attr.NoFileCurrent},
		{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody, KeepGroups: true}}, {attr.ResetIDs{}},
		{attr.IDs{RUID: attr.KeepID, EUID: testenv.Nobody, RGID: attr.KeepID, EGID: testenv.Nobody, KeepGroups: true}},
		{attr.Chroot(dir), user}, {attr.PivotRoot(dir), mounts}, {attr.Mounts{{Target: dir + "/tmp", FSType: "tmpfs"}}, mounts},
		{attr.NewRoot{{Path: "/", Bind: dir}, {Path: "/tmp", FSType: "tmpfs"}, {Path: "/tmp/x"}, {Path: "/tmp/y", Symlink: "x"}},
			attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}, attr.IDMap{UID: uid, GID: gid}}, // who makes files needs an id
		{names}, {attr.Unshare{Flags: spawntest.WithUser(unix.CLONE_NEWUTS | unix.CLONE_NEWNS | unix.CLONE_NEWIPC)}},
		{attr.JoinNamespace{File: uts}}, {attr.IDMap{UID: uid, GID: gid}, user}, {attr.Hostname("spawn"), names}, {attr.TimeOffsets{Boottime: 1}, attr.Unshare{Flags: spawntest.WithUser(unix.CLONE_NEWTIME)}}, {attr.Domainname("spawn"), names},
		{attr.Loopback{}, attr.Namespaces{Flags: spawntest.WithUser(unix.CLONE_NEWNET)}},
		{attr.AmbientCaps{0}}, {attr.NoCapabilities()}, {attr.SecureBits(0xf), attr.Credential{KeepGroups: true, Root: true}},
		{attr.ParentDeathSignal(unix.SIGKILL)}, {attr.DieWithParent{}}, {attr.Ptrace{}}, {attr.SchedPolicy{Policy: attr.SchedBatch}}, {attr.CPUAffinity{testenv.SomeCPU(t)}},
		{attr.NUMAPolicy{Mode: attr.NUMALocal}}, {attr.IOPrio{Class: attr.IOPrioIdle}}, {attr.TimerSlack(123456)}, {attr.CoreSched{}},
		{attr.OOMScoreAdj(1000)}, {attr.Personality(attr.PersonalityNoASLR)}, {attr.ChildSubreaper{}}, {attr.SessionKeyring("")},
		{attr.NoNewPrivs{}}, {spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME), attr.NoNewPrivs{}},
		{attr.StartSuspended{}}, {attr.CoredumpFilter(1)}, {attr.MemoryDenyWriteExec{}}, {attr.NoHugePages{}}, {attr.MergePages{}},
		{attr.SELinuxContext("u:r:t:s0")}, {attr.AppArmorProfile("profile")},
	} {
		specs[typeName(list[0])] = &spawn.Spec{Path: dir + "/program", Attr: list}
	}
	if _, err := spawn.Compile(specs["DieWithParent"]); err != nil { // its init is there from now on
		t.Fatal(err)
	}
	t.Cleanup(pidns.EndForTest)
	specs["Namespaces"].Attr = attr.List{names}
	specs["Chroot"].Path, specs["PivotRoot"].Path, specs["NewRoot"].Path = "/program", "/program", "/program"
	if testenv.OnInitramfs(t) {
		specs["PivotRoot"], specs["NewRoot"] = specs["Mounts"], specs["Mounts"]
	}
	specs["Landlock"] = &spawn.Spec{Path: dir + "/program", Attr: attr.List{attr.NoNewPrivs{}}}
	if spawntest.HasLandlock() {
		ruleset := spawntest.NewRuleset(t, attr.LandlockRules{Execute: []string{"/"}, BestEffort: true})
		specs["Landlock"].Attr = append(specs["Landlock"].Attr, ruleset.Attr())
	}
	specs["Digest"] = &spawn.Spec{Path: dir + "/program", Attr: attr.List{digestOf(t, dir+"/program")}}
	specs["Cgroup"] = &spawn.Spec{Path: dir + "/program"}
	if os.Geteuid() == 0 {
		cgroup, _ := testenv.NewCgroup(t)
		specs["Cgroup"].Attr = attr.List{attr.Cgroup{Dir: cgroup}}
	}
	for _, s := range specs {
		s.Actions.File(tty, 0)
	}
	return specs
}

// digestOf is for a program.
func digestOf(t *testing.T, path string) attr.Digest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return attr.Digest{SHA256: sha256.Sum256(text)}
}

// runOnce runs a program that may be traced by this thread.
func runOnce(s *spawn.Spec) (*spawn.ProcessState, error) {
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return nil, err
	}
	if slices.Contains(s.Attr, attr.Attr(attr.StartSuspended{})) {
		if err := p.Signal(unix.SIGCONT); err != nil {
			return nil, err
		}
	}
	if slices.Contains(s.Attr, attr.Attr(attr.Ptrace{})) {
		var status unix.WaitStatus
		_, err := unix.Wait4(p.Pid(), &status, 0, nil)
		if err := errors.Join(err, unix.PtraceDetach(p.Pid())); err != nil {
			return nil, err
		}
	}
	return p.Wait(context.Background())
}

// TestParentStaysWithEach wants all that belongs to this process and its threads to
// be the same after each attribute, where the child came to run and where not.
func TestParentStaysWithEach(t *testing.T) {
	spawntest.NeedNamespaces(t, spawntest.WithUser(unix.CLONE_NEWNS|unix.CLONE_NEWUTS))
	specs := eachAttribute(t)
	testenv.Settled()
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			kinds, before := testenv.Threads(t), testenv.Paint(t)
			for name, s := range specs {
				state, err := runOnce(s)
				if err == nil && state.ExitCode() != 7 || err != nil && !mayFail(name, err) {
					t.Errorf("%s: %v, %v", name, state, err)
				}
				missing := *s
				missing.Path = "/missing/program"
				if _, err := runOnce(&missing); err == nil {
					t.Errorf("%s: no error", name)
				}
				for _, changed := range before.Changes(testenv.Paint(t)) {
					t.Errorf("%s: %s", name, changed)
				}
			}
			for _, kind := range testenv.Threads(t) {
				if !slices.Contains(kinds, kind) {
					t.Errorf("a thread became\n%s\nnone was before:\n%s", kind, kinds)
				}
			}
		})
	})
	complete(t, rowsOf(specs), nil)
}

// mayFail says that an attribute is not for this machine, or this user.
func mayFail(name string, err error) bool {
	switch name {
	case "DetachTTY", "Foreground": // the session has no terminal
		return errors.Is(err, unix.ENOTTY)
	case "SELinuxContext", "AppArmorProfile": // active, without such a label
		return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, errors.ErrUnsupported)
	case "SessionKeyring":
		return errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM)
	}
	return errors.Is(err, errors.ErrUnsupported) || os.Geteuid() != 0 && errors.Is(err, os.ErrPermission)
}
