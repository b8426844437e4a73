//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// swap is an experiment about the order of two phases: with them exchanged, the
// child must fail or the program must find something else.
type swap struct {
	a, b         plan.Phase
	hasten       string // in the place of a and b: the step that comes first in its phase
	spec         *spawn.Spec
	right, wrong string // endings
}

// rank is where a call comes with the phases exchanged.
func (x swap) rank(step string, ph plan.Phase) int {
	switch {
	case x.hasten != "" && step == x.hasten:
		return 2*int(ph) - 1
	case x.hasten != "":
		return 2 * int(ph)
	case ph == x.a:
		return int(x.b)
	case ph == x.b:
		return int(x.a)
	}
	return int(ph)
}

// compile compiles the Spec with the phases exchanged.
func (x swap) compile() (*spawn.Program, error) {
	defer engine.OnCompileForTest(func(p *engine.Program) { p.ReorderForTest(x.rank) })()
	return spawn.Compile(x.spec)
}

// both is the Spec as it is, and with the phases exchanged.
func (x swap) both() ([]*spawn.Program, error) {
	p, err := spawn.Compile(x.spec)
	q, qerr := x.compile()
	return []*spawn.Program{p, q}, errors.Join(err, qerr)
}

// check makes the experiment.
func (x swap) check() error {
	programs, err := x.both()
	if err != nil {
		return err
	}
	for i, want := range []string{x.right, x.wrong} {
		if got := ending(programs[i]); got != want {
			return fmt.Errorf("%d, %d %s: %s %q, want %q", x.a, x.b, x.hasten, []string{"as it is", "exchanged"}[i], got, want)
		}
	}
	return nil
}

// trySwaps makes experiments.
func trySwaps(t *testing.T, list []swap) {
	t.Helper()
	for _, x := range list {
		if err := x.check(); err != nil {
			t.Error(err)
		}
	}
}

// ending is the step that fails and its errno, or else how the program ended.
func ending(p *spawn.Program) string {
	state, err := p.Run(context.Background())
	if err != nil {
		return failure(err)
	}
	return state.String()
}

func failure(err error) string {
	var e *spawn.Error
	var errno syscall.Errno
	if !errors.As(err, &e) || !errors.As(err, &errno) {
		return err.Error()
	}
	return e.Step + " " + unix.ErrnoName(errno)
}

// says is a Spec of a script that succeeds when a command has the output.
func says(command, output string, list ...attr.Attr) *spawn.Spec {
	return spawntest.Shell(fmt.Sprintf("[ \"$(%s)\" = '%s' ]", command, output), list...)
}

// What ending says of scripts.
const (
	yes = "exit status 0"
	no  = "exit status 1"
)

// niceOf is a command for a nice value.
const niceOf = `set -- $(cat /proc/self/stat); echo ${19}`

// field is a command for a line of /proc/self/status.
func field(name string) string {
	return `while read k v; do [ $k = ` + name + `: ] && echo $v; done </proc/$$/status`
}

func TestSwappedPrivilege(t *testing.T) {
	testenv.NeedRoot(t)
	user := attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}
	kill := fmt.Sprintf("%016x", 1<<unix.CAP_KILL)
	list := []swap{
		{a: plan.HostFiles, b: plan.Credentials, spec: says("cat /proc/self/oom_score_adj", "1000", user, attr.OOMScoreAdj(1000)),
			right: yes, wrong: "oom_score_adj EACCES"},
		{a: plan.KeepCaps, b: plan.Credentials, spec: says(field("CapAmb"), kill, user, attr.AmbientCaps{unix.CAP_KILL}),
			right: yes, wrong: "capset EPERM"},
		{a: plan.KeepCaps, b: plan.Credentials, spec: says(field("CapBnd"), kill, user, attr.OnlyCapabilities(unix.CAP_KILL)),
			right: yes, wrong: "bounding EPERM"},
		{a: plan.KeepCaps, b: plan.DropCaps, spec: says(field("CapBnd"), "0000000000000000", attr.NoCapabilities()),
			right: yes, wrong: "bounding EPERM"},
		{hasten: "setresuid", spec: says("id -G", "5 7", attr.Credential{UID: testenv.Nobody, GID: 5, Groups: []uint32{7}}),
			right: yes, wrong: "setgroups EPERM"},
		{hasten: "setresuid", spec: says("id -g", "5", attr.Credential{UID: testenv.Nobody, GID: 5, KeepGroups: true}),
			right: yes, wrong: "setresgid EPERM"},
		{a: plan.Credentials, b: plan.Capabilities, spec: says(field("CapAmb"), kill, user, attr.AmbientCaps{unix.CAP_KILL}),
			right: yes, wrong: no},
		{a: plan.Capabilities, b: plan.SecureBits, spec: says(field("CapAmb"), kill, attr.SecureBits(0x40), attr.AmbientCaps{unix.CAP_KILL}),
			right: yes, wrong: "ambient EPERM"},
		{a: plan.SecureBits, b: plan.DropCaps, spec: says(field("CapPrm"), "0000000000000000", attr.SecureBits(1), attr.NoCapabilities()),
			right: yes, wrong: "securebits EPERM"},
	}
	if !testenv.Lacks(unix.SYS_CHROOT) {
		root := spawntest.RootDirectory(t, 7)
		list = append(list,
			swap{a: plan.HostFiles, b: plan.Root, spec: &spawn.Spec{Path: "/program", Attr: attr.List{attr.OOMScoreAdj(1000), attr.Chroot(root)}},
				right: "exit status 7", wrong: "oom_score_adj ENOENT"},
			swap{a: plan.Root, b: plan.Credentials, spec: &spawn.Spec{Path: "/program", Attr: attr.List{user, attr.Chroot(root)}},
				right: "exit status 7", wrong: "chroot EPERM"})
	}
	if testenv.HasCap(unix.CAP_SYS_NICE) {
		list = append(list, swap{a: plan.Raise, b: plan.Credentials, spec: says(niceOf, "-7", user, attr.Nice(-7)), right: yes, wrong: "nice EACCES"})
	}
	trySwaps(t, list)
}

// TestSwappedUserNamespace is about privilege that a new user namespace takes away.
func TestSwappedUserNamespace(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	own, all := attr.Unshare{Flags: unix.CLONE_NEWUSER}, []attr.IDMapEntry{{Size: 1}}
	idMap := attr.IDMap{UID: all, GID: all}
	list := []swap{{a: plan.JoinNamespaces, b: plan.Namespaces,
		spec:  spawntest.Shell(":", own, idMap, attr.JoinNamespace{File: spawntest.NamespaceFile(t, os.Getpid(), "net")}),
		right: yes, wrong: "setns EPERM"}}
	if testenv.HasCap(unix.CAP_SYS_NICE) {
		list = append(list, swap{a: plan.Raise, b: plan.Namespaces, spec: says(niceOf, "-7", own, idMap, attr.Nice(-7)), right: yes, wrong: "nice EACCES"})
	}
	trySwaps(t, list)
}

// TestSwappedFiles is about what file actions are done with.
func TestSwappedFiles(t *testing.T) {
	testenv.NeedRoot(t)
	dir := testenv.PublicDir(t)
	secret := testenv.Write(t, filepath.Join(dir, "secret"), "secret\n", 0o600)
	if err := os.Chown(secret, testenv.Nobody, testenv.Nobody); err != nil {
		t.Fatal(err)
	}
	reads := func(list ...attr.Attr) *spawn.Spec {
		return spawntest.WithActions(spawntest.Shell("read x <&9 && [ $x = secret ]", list...), func(a *spawn.FileActions) { a.Open(9, secret, os.O_RDONLY, 0) })
	}
	list := []swap{
		{a: plan.DropCaps, b: plan.Files, spec: reads(attr.NoCapabilities()), right: "open EACCES", wrong: yes},
		{a: plan.Credentials, b: plan.Files, spec: reads(attr.Credential{UID: 1, GID: 1}), right: "open EACCES", wrong: yes},
	}
	if !testenv.Lacks(unix.SYS_CHROOT) {
		inside := &spawn.Spec{Path: "/program", Attr: attr.List{attr.Chroot(spawntest.RootDirectory(t, 7))}}
		list = append(list, swap{a: plan.Root, b: plan.Files, spec: spawntest.WithActions(inside,
			func(a *spawn.FileActions) { a.Open(9, secret, os.O_RDONLY, 0) }), right: "open ENOENT", wrong: "exit status 7"})
	}
	if spawntest.HasLandlock() {
		rules := spawntest.NewRuleset(t, attr.LandlockRules{Execute: spawntest.System()})
		list = append(list, swap{a: plan.Files, b: plan.Landlock, spec: reads(rules.Attr()), right: yes, wrong: "open EACCES"})
	}
	trySwaps(t, list)
}

// TestSwappedMounts is about paths of mounts, and whose they are.
func TestSwappedMounts(t *testing.T) {
	testenv.NeedCall(t, "pidfd_open", unix.SYS_PIDFD_OPEN)
	testenv.NeedPivotRoot(t)
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWNS)
	root, outside := spawntest.RootDirectory(t, 7), spawntest.RootDirectory(t, 8)
	own := attr.Unshare{Flags: unix.CLONE_NEWNS}
	bind := attr.Mounts{{Source: outside, Target: filepath.Join(root, "tmp"), Flags: unix.MS_BIND}}
	trySwaps(t, []swap{
		{a: plan.Mounts, b: plan.Root, spec: &spawn.Spec{Path: "/tmp/program", Attr: attr.List{own, bind, attr.Chroot(root)}},
			right: "exit status 8", wrong: "mount ENOENT"},
		{a: plan.Mounts, b: plan.Root, spec: &spawn.Spec{Path: "/tmp/program", Attr: attr.List{own, bind, attr.PivotRoot(root)}},
			right: "exit status 8", wrong: "mount ENOENT"},
	})
}

// TestSwappedCgroup has the child join its cgroup by itself.
func TestSwappedCgroup(t *testing.T) {
	dir, _ := testenv.NewCgroup(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWCGROUP)
	defer spawntest.Force("cgroup")()
	script := "while read x; do [ \"$x\" = 0::/ ] && exit; done </proc/self/cgroup; exit 1"
	trySwaps(t, []swap{{a: plan.Cgroup, b: plan.Namespaces, spec: spawntest.Shell(script, attr.Cgroup{Dir: dir}, attr.Unshare{Flags: unix.CLONE_NEWCGROUP}),
		right: yes, wrong: no}})
}

// TestSwappedProcessLimit has a user with more processes than the program may
// start: execve fails where the limit was there when the child became the user's.
func TestSwappedProcessLimit(t *testing.T) {
	testenv.NeedRoot(t)
	user := attr.Credential{UID: 54321, GID: testenv.Nobody} // who has no other processes
	_, end := spawntest.LiveChild(t, user)
	defer end()
	const nproc = 6
	trySwaps(t, []swap{{a: plan.Credentials, b: plan.Lower, spec: spawntest.Shell(":", user, attr.Rlimit{Resource: nproc}),
		right: yes, wrong: "execve EAGAIN"}})
}

// TestSwappedDeathSignal has a parent that dies as soon as its child runs.
func TestSwappedDeathSignal(t *testing.T) {
	spawntest.Helper(t, "parent that leaves") // in use, even where it can't be
	testenv.NeedRoot(t)
	for args, want := range map[string]string{"as it is": "", "exchanged": "alive\n"} {
		in, inW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		out, outW, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		in.Fd() // makes it blocking
		s := spawntest.WithActions(spawntest.Helper(t, "parent that leaves", args), func(a *spawn.FileActions) { a.File(in, 0); a.File(outW, 1) })
		state, err := spawn.Run(context.Background(), s)
		if err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
		in.Close()
		outW.Close()
		inW.Close() // lets the child go on, if it is there
		got, err := io.ReadAll(out)
		if string(got) != want || err != nil {
			t.Errorf("%s: %q, %v, want %q", args, got, err, want)
		}
		out.Close()
	}
}

// TestSwappedKeyring wants the keyring to be the user's who the program runs as.
func TestSwappedKeyring(t *testing.T) {
	spawntest.Helper(t, "own keyring") // in use, even where it can't be
	testenv.NeedRoot(t)
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EPERM) {
		testenv.Skip(t, "no keyrings")
	}
	s := spawntest.PublicHelper(t, "own keyring")
	s.Attr = attr.List{attr.SessionKeyring(""), attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}
	trySwaps(t, []swap{{a: plan.Credentials, b: plan.AfterCredentials, spec: s, right: yes, wrong: no}})
}

var _ = testenv.RegisterHelper("own keyring", func([]string) int {
	text, err := unix.KeyctlString(unix.KEYCTL_DESCRIBE, unix.KEY_SPEC_SESSION_KEYRING)
	if err != nil || !strings.HasPrefix(text, fmt.Sprintf("keyring;%d;", os.Getuid())) {
		return 1
	}
	return 0
})

var _ = testenv.RegisterHelper("parent that leaves", func(args []string) int {
	both, err := swap{a: plan.Credentials, b: plan.AfterCredentials, spec: spawntest.Shell("read x; echo alive",
		attr.ParentDeathSignal(unix.SIGKILL), attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})}.both()
	if err != nil {
		return report(err)
	}
	p := both[0]
	if args[0] == "exchanged" {
		p = both[1]
	}
	_, err = p.Start(context.Background())
	return report(err)
})

// TestSwappedAffinity has a thread that may not run on all CPUs, as SchedDeadline
// wants it.
func TestSwappedAffinity(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedCap(t, unix.CAP_SYS_NICE)
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	if set.Count() < 2 {
		testenv.Skip(t, "one CPU")
	}
	var cpus attr.CPUAffinity
	for n := 0; len(cpus) < set.Count(); n++ {
		if set.IsSet(n) {
			cpus = append(cpus, n)
		}
	}
	policy := attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1e6, Deadline: 1e8, ResetOnFork: true}
	if _, err := spawn.Run(context.Background(), spawntest.Shell(":", policy)); err != nil {
		testenv.Skip(t, "no SchedDeadline: "+err.Error())
	}
	testenv.OnThread(func() {
		var one unix.CPUSet
		one.Set(cpus[0])
		if err := unix.SchedSetaffinity(0, &one); err != nil {
			t.Error(err)
			return
		}
		trySwaps(t, []swap{{a: plan.Affinity, b: plan.Raise, spec: spawntest.Shell(":", policy, cpus), right: yes, wrong: "sched EPERM"}})
	})
}

// TestSwappedLimits has a user without privilege who may raise the limit of nice
// values, and by that lower the value itself.
func TestSwappedLimits(t *testing.T) {
	spawntest.Helper(t, "raised limit") // in use, even where it can't be
	testenv.NeedRoot(t)
	testenv.NeedCap(t, unix.CAP_SYS_RESOURCE)
	s := spawntest.PublicHelper(t, "raised limit")
	s.Attr = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.Rlimit{Resource: unix.RLIMIT_NICE, Hard: 40}}
	spawntest.Output(t, s)
}

var _ = testenv.RegisterHelper("raised limit", func([]string) int {
	return report(swap{a: plan.RaiseLimits, b: plan.Raise, spec: says(niceOf, "-7", attr.Nice(-7), attr.RlimitToHard(unix.RLIMIT_NICE)),
		right: yes, wrong: "nice EACCES"}.check())
})

// report is the exit status of a helper, after it has said what is wrong.
func report(err error) int {
	return testenv.Status(err)
}

// TestSwappedUmask needs no privilege, nor does what comes after it.
func TestSwappedUmask(t *testing.T) {
	file := filepath.Join(t.TempDir(), "made")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(file)
	if err := errors.Join(err, os.Remove(file)); err != nil {
		t.Fatal(err)
	}
	if st.Mode().Perm() == 0o600 {
		testenv.Skip(t, "a strict umask")
	}
	s := says("stat -L -c %a /proc/self/fd/50; rm "+file, "600", attr.Umask(0o077))
	s.Actions.Open(50, file, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	trySwaps(t, []swap{{a: plan.Umask, b: plan.Files, spec: s, right: yes, wrong: no}})
}

func TestSwappedLastSteps(t *testing.T) {
	limited := says("ulimit -n", "10", attr.NoFile{Soft: 10, Hard: 10})
	limited.Actions.Open(50, os.DevNull, os.O_RDONLY, 0)
	calls := []int{unix.SYS_EXECVE, unix.SYS_EXIT_GROUP, unix.SYS_WRITE}
	last := spawntest.Exits(t, 7)
	last.Attr = attr.List{attr.NoNewPrivs{}, attr.SigMask{1}, spawntest.Filter(unix.SECCOMP_RET_ALLOW, unix.SECCOMP_RET_ERRNO|uint32(unix.EXDEV), calls...)}
	trySwaps(t, []swap{
		{a: plan.Files, b: plan.Lower, spec: limited, right: yes, wrong: "open EBADF"},
		{a: plan.Mask, b: plan.Seccomp, spec: last, right: "exit status 7", wrong: "sigmask EXDEV"},
	})
}

// TestSwappedPtrace has a filter that forbids to be traced.
func TestSwappedPtrace(t *testing.T) {
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
	both, err := swap{a: plan.Ptrace, b: plan.Seccomp,
		spec: spawntest.Shell(":", attr.Ptrace{}, attr.NoNewPrivs{}, spawntest.Refuse(unix.EXDEV, unix.SYS_PTRACE))}.both()
	if err != nil {
		t.Fatal(err)
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child, err := both[0].Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := child.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if got := ending(both[1]); got != "ptrace EXDEV" {
		t.Error(got)
	}
}
