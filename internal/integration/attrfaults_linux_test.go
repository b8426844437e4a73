//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/attrnames"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// typeName is the name of an attribute.
func typeName(a attr.Attr) string { return reflect.TypeOf(a).Name() }

// allNames are the names of all attributes. They are in the source, which may be
// elsewhere.
func allNames(t testing.TB) []string {
	t.Helper()
	names, err := attrnames.In("../../attr")
	if errors.Is(err, os.ErrNotExist) {
		testenv.Skip(t, "no source of package attr")
	} else if err != nil {
		t.Fatal(err)
	}
	return names
}

// complete wants a row for each attribute, or a reason why there is none.
func complete(t *testing.T, rows map[string]bool, none map[string]string) {
	t.Helper()
	names := allNames(t)
	for _, name := range names {
		if _, reason := none[name]; reason == rows[name] {
			t.Errorf("attr.%s: no row and no reason why, or both", name)
		}
	}
	for name := range rows {
		if !slices.Contains(names, name) {
			t.Errorf("no attribute: %s", name)
		}
	}
	for name := range none {
		if !slices.Contains(names, name) {
			t.Errorf("no attribute: %s", name)
		}
	}
}

// rowsOf are the attributes of a table whose keys begin with their names.
func rowsOf[V any](table map[string]V) map[string]bool {
	rows := map[string]bool{}
	for key := range table {
		name, _, _ := strings.Cut(key, ",")
		rows[name] = true
	}
	return rows
}

// because gives attributes a reason.
func because(reasons map[string]string) map[string]string {
	byName := map[string]string{}
	for reason, names := range reasons {
		for _, name := range strings.Fields(names) {
			byName[name] = reason
		}
	}
	return byName
}

// badValues are attributes that Compile refuses. More are in attr's own tests.
var badValues = []struct {
	a            attr.Attr
	step, object string
}{
	{attr.SigMask{65}, "sigmask", "signal 65"},
	{attr.SigDefault{unix.SIGKILL}, "sigdefault", "SIGKILL"},
	{attr.SigIgnore{0}, "sigignore", "signal 0"},
	{attr.Setpgid{Pgid: -1}, "setpgid", "-1"},
	{attr.ControllingTTY{}, "ctty", ""},
	{attr.ControllingTTY{FD: attr.FD(-1)}, "ctty", "-1"},
	{attr.Foreground{}, "foreground", ""},
	{attr.Umask(0o1000), "umask", "01000"},
	{attr.Nice(20), "nice", "20"},
	{attr.Rlimit{Resource: 16}, "rlimit", "resource 16"},
	{attr.RlimitToHard(16), "rlimit", "resource 16"},
	{attr.NoFile{Soft: 2, Hard: 1}, "rlimit", "RLIMIT_NOFILE"},
	{attr.NoFilePolicy(3), "rlimit", "3"},
	{attr.Credential{UID: attr.KeepID, Root: true}, "setresuid", "4294967295"},
	{attr.IDs{Groups: []uint32{attr.KeepID}, Root: true}, "setgroups", "[4294967295]"},
	{attr.Chroot("a\x00b"), "chroot", "a\x00b"},
	{attr.PivotRoot("a\x00b"), "pivot_root", "a\x00b"},
	{attr.Mounts{{Source: "x"}}, "mount", "x on "},
	{attr.NewRoot{}, "new_root", ""},
	{attr.Cgroup{}, "cgroup", ""},
	{attr.Namespaces{Flags: unix.CLONE_VM}, "clone", "0x100"},
	{attr.Unshare{Flags: unix.CLONE_VM}, "unshare", "0x100"},
	{attr.JoinNamespace{Types: unix.CLONE_NEWUTS}, "setns", "uts"},
	{attr.IDMap{UID: []attr.IDMapEntry{{ContainerID: -1, Size: 1}}}, "uid_map", "{-1 0 1}"},
	{attr.Hostname("a\x00b"), "sethostname", "a\x00b"},
	{attr.Domainname("a\x00b"), "setdomainname", "a\x00b"},
	{attr.AmbientCaps{64}, "ambient", "capability 64"},
	{attr.Capabilities{Bounding: []attr.Capability{-1}}, "bounding", "capability -1"},
	{attr.SecureBits(0x10), "securebits", "keep_caps"},
	{attr.ParentDeathSignal(65), "pdeathsig", "signal 65"},
	{attr.SchedPolicy{Policy: 4}, "sched", "4"},
	{attr.CPUAffinity{65536}, "affinity", "65536"},
	{attr.NUMAPolicy{Mode: 7}, "mempolicy", "mode=7"},
	{attr.IOPrio{Class: 4}, "ioprio", "class=4 level=0"},
	{attr.TimerSlack(-1), "timerslack", "-1ns"},
	{attr.OOMScoreAdj(1001), "oom_score_adj", "1001"},
	{attr.CoredumpFilter(1 << 9), "coredump_filter", "0x200"},
	{attr.SELinuxContext(""), "selinux", ""},
	{attr.AppArmorProfile("a\nb"), "apparmor", "a\nb"},
	{attr.Personality(0xffffffff), "personality", "0xffffffff"},
	{attr.SessionKeyring("a\x00b"), "keyring", "a\x00b"},
	{attr.Landlock{FD: attr.FD(-1)}, "landlock", "-1"},
	{attr.Seccomp{}, "seccomp", "0 instructions"},
	{attr.Digest{}, "digest", ""},
}

// TestBadValues wants Compile to name the attribute and its value.
func TestBadValues(t *testing.T) {
	rows := map[string]bool{}
	for _, bad := range badValues {
		rows[typeName(bad.a)] = true
		_, err := spawn.Compile(spawntest.Shell(":", attr.NoNewPrivs{}, bad.a, attr.Setsid{}))
		spawntest.CheckFault(t, err, spawntest.Fails(bad.step, 1, bad.object, unix.EINVAL))
	}
	complete(t, rows, because(map[string]string{
		"has no value": "DieWithParent InheritIgnored Setsid DetachTTY ResetIDs NoNewPrivs Ptrace CoreSched ChildSubreaper " +
			"StartSuspended MemoryDenyWriteExec NoHugePages MergePages Loopback",
		"is bounded by the kernel alone": "TimeOffsets",
	}))
}

// denied gives a Spec attributes of which a user is not allowed the second. It
// fails with errNothing where the machine has nothing that could be refused.
var denied = map[string]func(s *spawn.Spec) (spawntest.Want, error){
	"Setpgid": second(attr.Setpgid{Pgid: 1<<31 - 1}, spawntest.Fails("setpgid", 1, strconv.Itoa(1<<31-1), eperm...)),
	"Nice":    second(attr.Nice(-20), spawntest.Fails("nice", 1, "-20", unix.EACCES)),
	"Rlimit": second(attr.Rlimit{Resource: unix.RLIMIT_CORE, Soft: 5, Hard: 1 << 40},
		spawntest.Fails("rlimit", 1, fmt.Sprintf("RLIMIT_CORE soft=5 hard=%d", int64(1<<40)), eperm...)),
	"NoFile":       second(attr.NoFile{Soft: 5, Hard: 1 << 40}, spawntest.Fails("rlimit", 1, fmt.Sprintf("RLIMIT_NOFILE soft=5 hard=%d", int64(1<<40)), eperm...)),
	"NoFilePolicy": originalLimit,
	"Credential":   second(attr.Credential{UID: 1, KeepGroups: true, Root: true}, spawntest.Fails("setresuid", 1, "1", eperm...)),
	"IDs": second(attr.IDs{RUID: attr.KeepID, EUID: 1, RGID: attr.KeepID, EGID: attr.KeepID, KeepGroups: true},
		spawntest.Fails("setresuid", 1, "real=kept effective=1", eperm...)),
	"Chroot":                    second(attr.Chroot("/"), spawntest.Fails("chroot", 1, "/", eperm...)),
	"Cgroup":                    rootCgroup,
	"ControllingTTY":            func(s *spawn.Spec) (spawntest.Want, error) { return otherTerminal(s, false) },
	"ControllingTTY, by number": func(s *spawn.Spec) (spawntest.Want, error) { return otherTerminal(s, true) },
	"Namespaces":                second(attr.Namespaces{Flags: unix.CLONE_NEWUTS}, spawntest.Fails("clone", 1, "uts", eperm...)),
	"Unshare":                   second(attr.Unshare{Flags: unix.CLONE_NEWUTS}, spawntest.Fails("unshare", 1, "uts", eperm...)),
	"JoinNamespace":             ownUTS,
	"IDMap":                     rootMap,
	"AmbientCaps":               second(attr.AmbientCaps{21}, spawntest.Fails("capset", 1, "[CAP_SYS_ADMIN]", eperm...)),
	"Capabilities": second(attr.Capabilities{Effective: []attr.Capability{21}, Permitted: []attr.Capability{21}},
		spawntest.Fails("capset", 1, "effective=[CAP_SYS_ADMIN] permitted=[CAP_SYS_ADMIN]", eperm...)),
	"SecureBits":  second(attr.SecureBits(1), spawntest.Fails("securebits", 1, "noroot", eperm...)),
	"SchedPolicy": second(attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 1}, spawntest.Fails("sched", 1, "FIFO priority=1", eperm...)),
	"SchedPolicy, deadline": second(attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1e6, Deadline: 1e7, ResetOnFork: true},
		spawntest.Fails("sched", 1, "DEADLINE runtime=1ms deadline=10ms period=0s reset-on-fork", unlessLacking(unix.SYS_SCHED_SETATTR)...)),
	"IOPrio":      second(attr.IOPrio{Class: attr.IOPrioRealTime, Level: 1}, spawntest.Fails("ioprio", 1, "class=realtime level=1", eperm...)),
	"OOMScoreAdj": second(attr.OOMScoreAdj(-1000), spawntest.Fails("oom_score_adj", 1, "-1000", unix.EACCES)),
	"SessionKeyring": second(attr.SessionKeyring(".spawn"),
		spawntest.Fails("keyring", 1, ".spawn", unix.EPERM, unix.ENOSYS)),
	"Landlock": ownRuleset,
	"Seccomp": second(spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME),
		spawntest.Fails("seccomp", 1, "4 instructions", unix.EACCES)),
}

// unlessLacking is eperm, or that and ENOSYS where there is no such call.
func unlessLacking(number uintptr) []syscall.Errno {
	if testenv.Lacks(number) {
		return append(slices.Clone(eperm), unix.ENOSYS)
	}
	return eperm
}

// kept is what no collection must close meanwhile.
var kept []any

var (
	eperm      = []syscall.Errno{unix.EPERM}
	errNothing = errors.New("nothing to be refused")
)

func second(a attr.Attr, w spawntest.Want) func(*spawn.Spec) (spawntest.Want, error) {
	return func(s *spawn.Spec) (spawntest.Want, error) {
		if cr, ok := a.(attr.Credential); ok {
			cr.GID = uint32(os.Getgid())
			a = cr
		}
		s.Attr = attr.List{attr.Umask(0o22), a}
		return w, nil
	}
}

// originalLimit lowers the hard limit that the process was started with.
func originalLimit(s *spawn.Spec) (spawntest.Want, error) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		return spawntest.Want{}, err
	}
	err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: was.Max - 1, Max: was.Max - 1})
	s.Attr = attr.List{attr.Umask(0o22), attr.NoFileOriginal}
	p, cerr := spawn.Compile(s)
	if err := errors.Join(err, cerr); err != nil {
		return spawntest.Want{}, err
	}
	w := spawntest.Want{Step: "rlimit", Index: 1, Errnos: eperm}
	for _, s := range p.Steps() {
		if s.Name == "rlimit" {
			w.Object = s.Object
		}
	}
	return w, nil
}

func rootCgroup(s *spawn.Spec) (spawntest.Want, error) {
	mount := firstMount("cgroup2", "")
	if mount == "" {
		return spawntest.Want{}, errNothing
	}
	dir, err := os.Open(mount)
	s.Attr = attr.List{attr.Umask(0o22), attr.Cgroup{Dir: dir}}
	return spawntest.Fails("cgroup", 1, mount, unix.EACCES), err
}

// otherTerminal is that of another session.
func otherTerminal(s *spawn.Spec, byNumber bool) (spawntest.Want, error) {
	master, tty, err := testenv.NewPTY()
	if err != nil {
		return spawntest.Want{}, errNothing
	}
	kept = append(kept, master)
	other := spawntest.Shell("exec sleep 1000", attr.ControllingTTY{File: tty}, attr.Setsid{}, attr.ParentDeathSignal(unix.SIGKILL))
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	w := spawntest.Fails("ctty", 1, tty.Name(), eperm...)
	if byNumber {
		s.Attr[1], w.Object = attr.ControllingTTY{FD: attr.FD(5), Steal: true}, "5"
		s.Actions.File(tty, 5)
	}
	p, err := spawn.Start(context.Background(), other)
	kept = append(kept, p)
	return w, err
}

func ownUTS(s *spawn.Spec) (spawntest.Want, error) {
	const path = "/proc/self/ns/uts"
	f, err := os.Open(path)
	s.Attr = attr.List{attr.Umask(0o22), attr.JoinNamespace{File: f, Types: unix.CLONE_NEWUTS}}
	return spawntest.Fails("setns", 1, path+" uts", eperm...), err
}

// rootMap maps what is not this user's.
func rootMap(s *spawn.Spec) (spawntest.Want, error) {
	user := attr.Namespaces{Flags: unix.CLONE_NEWUSER}
	if _, err := spawn.Run(context.Background(), spawntest.Shell(":", user)); err != nil {
		return spawntest.Want{}, errNothing
	}
	s.Attr = attr.List{user, attr.IDMap{UID: []attr.IDMapEntry{{Size: 1}}}}
	return spawntest.Fails("uid_map", 1, "0 0 1", eperm...), nil
}

func ownRuleset(s *spawn.Spec) (spawntest.Want, error) {
	if !spawntest.HasLandlock() {
		return spawntest.Want{}, errNothing
	}
	r, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/"}, BestEffort: true})
	if err != nil {
		return spawntest.Want{}, err
	}
	s.Attr = attr.List{attr.Umask(0o22), r.Attr()}
	return spawntest.Fails("landlock", 1, "landlock-ruleset", eperm...), nil
}

func init() {
	spawntest.Unprivileged("attributes", func(dir string) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		spawn.Features() // what it opens
		var all []error
		for name, prepare := range denied {
			if err := isDenied(dir, prepare); err != nil {
				all = append(all, fmt.Errorf("attr.%s: %w", name, err))
			}
		}
		return errors.Join(all...)
	})
}

// isDenied has limits that may have allowed it gone.
func isDenied(dir string, prepare func(s *spawn.Spec) (spawntest.Want, error)) error {
	for _, resource := range []int{unix.RLIMIT_CORE, unix.RLIMIT_RTPRIO, unix.RLIMIT_NICE} {
		if err := unix.Setrlimit(resource, &unix.Rlimit{}); err != nil {
			return err
		}
	}
	marker := filepath.Join(dir, "marker")
	s := spawntest.Shell(": >" + marker)
	kept = append(kept, s)
	w, err := prepare(s)
	if err == errNothing {
		return nil
	} else if err != nil {
		return err
	}
	return spawntest.EachEngineError(func(string) error { return failsWith(s, marker, w) })
}

// failsWith wants an error that names the attribute, no program to have run that
// would make a marker, and nothing to have changed here.
func failsWith(s *spawn.Spec, marker string, w spawntest.Want) error {
	return unchanged(func() error {
		_, err := spawn.Start(context.Background(), s)
		if how := w.Differs(err); how != "" {
			return fmt.Errorf("%w: %s; want %+v", err, how, w)
		}
		if _, err := os.Stat(marker); !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("the program has run: %w", err)
		}
		if testenv.HasZombie() {
			return errors.New("a zombie")
		}
		return nil
	})
}

// unchanged wants this process to be as it was before a function.
func unchanged(f func() error) error {
	before, err := testenv.TakePortrait()
	if err != nil {
		return err
	}
	if err := f(); err != nil {
		return err
	}
	after, err := testenv.TakePortrait()
	if err != nil {
		return err
	}
	if changed := before.Changes(after); len(changed) > 0 {
		return errors.New(strings.Join(changed, "\n"))
	}
	return nil
}

// TestEveryDenied is that TestWithoutPrivilege has them all.
func TestEveryDenied(t *testing.T) {
	complete(t, rowsOf(denied), because(map[string]string{
		"needs no privilege": "SigMask InheritIgnored SigDefault SigIgnore Setsid DetachTTY Foreground Umask RlimitToHard ResetIDs NoNewPrivs " +
			"ParentDeathSignal DieWithParent Ptrace CPUAffinity NUMAPolicy TimerSlack CoreSched Personality ChildSubreaper " +
			"StartSuspended CoredumpFilter MemoryDenyWriteExec NoHugePages MergePages Digest",
		"needs a security module, see TestExecLabel": "SELinuxContext AppArmorProfile",
		"needs a namespace, which is refused":        "Mounts PivotRoot NewRoot Hostname Domainname Loopback TimeOffsets",
	}))
}

func TestWithoutPrivilege(t *testing.T) { spawntest.TestUnprivileged(t) }
