//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

const allNewNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// combined is a Spec of nearly all attributes, and what its program has to find.
type combined struct {
	list   attr.List
	want   map[string]string
	cgroup string // empty: none
}

// TestCombined runs a static program, and one that reports what it finds, with
// nearly all attributes at once.
func TestCombined(t *testing.T) {
	spawntest.NeedNamespaces(t, allNewNamespaces)
	testenv.NeedPivotRoot(t)
	dir := newRoot(t)
	c := newCombined(t, dir)
	before, host := testenv.Mounts(t), hostname(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := &spawn.Spec{Path: "/static", Attr: c.list}
		if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 42 {
			t.Fatalf("static program: %v, %v", state, err)
		}
		s = spawntest.Helper(t, "everything")
		s.Path, s.Attr = "/program", c.list
		s.Actions.Open(5, "/tmp/made", os.O_CREATE|os.O_WRONLY, 0o666)
		s.Actions.Chdir("tmp")
		c.check(t, s)
	})
	if changed := testenv.MountsSince(t, before); len(changed) > 0 || hostname(t) != host {
		t.Errorf("mounts have come or are gone: %q; the name is %s, was %s", changed, hostname(t), host)
	}
}

func hostname(t testing.TB) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// newRoot is a root directory with places for mounts.
func newRoot(t testing.TB) string {
	t.Helper()
	dir := testenv.PublicDir(t)
	for _, name := range append(libraries(), "proc", "tmp", "forbidden") {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Write(t, filepath.Join(dir, "program"), "", 0o755)
	if err := tiny.Write(filepath.Join(dir, "static"), 42); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newMounts are a tmpfs, the new processes' /proc, this program, and what it needs
// if it isn't static.
func newMounts(t testing.TB, dir string) attr.Mounts {
	list := attr.Mounts{
		{FSType: "tmpfs", Target: dir + "/tmp", Flags: unix.MS_NOSUID | unix.MS_NODEV, Data: "size=1m,mode=1777"},
		{FSType: "proc", Target: dir + "/proc"},
		{Source: testenv.Self(t), Target: dir + "/program", Flags: unix.MS_BIND},
	}
	for _, path := range libraries() {
		list = append(list, attr.Mount{Source: path, Target: dir + path, Flags: unix.MS_BIND | unix.MS_REC})
	}
	_, _, err := spawntest.TryOutput(spawntest.Shell(":", list, attr.Namespaces{Flags: allNewNamespaces}))
	if errors.Is(err, unix.EPERM) {
		testenv.Skip(t, "no mounts in a user namespace: "+err.Error())
	}
	return list
}

// libraries are the directories of system.
func libraries() []string {
	return slices.DeleteFunc(spawntest.System(), func(path string) bool { return strings.HasPrefix(path, "/etc/") })
}

func newCombined(t testing.TB, dir string) *combined {
	t.Helper()
	c := &combined{want: map[string]string{}}
	c.add(newMounts(t, dir), attr.PivotRoot(dir), attr.Namespaces{Flags: allNewNamespaces},
		attr.Hostname("here"), attr.Domainname("there"), attr.Umask(0o027), attr.Setsid{}, attr.ParentDeathSignal(unix.SIGKILL),
		attr.SigMask{unix.SIGUSR1}, attr.SigIgnore{unix.SIGHUP}, attr.ChildSubreaper{}, attr.PersonalityNoASLR)
	c.wants("root", fmt.Sprint(names(t, dir)), "tmp", "[made]", "wd", "/tmp", "pid", "1", "session", "1", "interfaces", "[lo]",
		"hostname", "here", "domain", "there", "mode of 5", "0640", "Umask", "0027", "personality", strconv.Itoa(int(attr.PersonalityNoASLR)),
		"SigBlk", fmt.Sprintf("%016x", testenv.Sigset(unix.SIGUSR1)), "SigIgn", fmt.Sprintf("%016x", testenv.Sigset(unix.SIGHUP)))
	c.identity()
	c.scheduling(t)
	c.limits(t)
	c.sandbox(t, dir)
	c.joinCgroup(t)
	return c
}

func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func (c *combined) add(list ...attr.Attr) { c.list = append(c.list, list...) }

// wants takes keys and values in turn.
func (c *combined) wants(pairs ...string) {
	for pair := range slices.Chunk(pairs, 2) {
		c.want[pair[0]] = pair[1]
	}
}

// identity is ids inside the namespace, and no capabilities. Only root can map
// more than itself.
func (c *combined) identity() {
	uid, gid := spawntest.MapOwn()
	m, cr := attr.IDMap{UID: uid, GID: gid}, attr.Credential{KeepGroups: true, Root: true}
	if os.Geteuid() == 0 {
		more := attr.IDMapEntry{ContainerID: 1, HostID: 100000, Size: 1000}
		m = attr.IDMap{UID: append(uid, more), GID: append(gid, more), Setgroups: true}
		cr = attr.Credential{UID: 7, GID: 8, Groups: []uint32{9}}
		c.wants("Groups", "9")
	}
	c.add(m, cr, attr.NoCapabilities(), attr.SecureBits(0xef), attr.NoNewPrivs{})
	c.wants("Uid", strings.Join(slices.Repeat([]string{strconv.Itoa(int(cr.UID))}, 4), "\t"),
		"Gid", strings.Join(slices.Repeat([]string{strconv.Itoa(int(cr.GID))}, 4), "\t"), "securebits", strconv.Itoa(0xef), "NoNewPrivs", "1")
	for _, set := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		c.wants(set, "0000000000000000")
	}
}

func (c *combined) scheduling(t testing.TB) {
	t.Helper()
	var cpus unix.CPUSet
	if err := unix.SchedGetaffinity(0, &cpus); err != nil {
		t.Fatal(err)
	}
	cpu := 0
	for !cpus.IsSet(cpu) {
		cpu++
	}
	c.add(attr.SchedPolicy{Policy: attr.SchedBatch, ResetOnFork: true}, attr.Nice(19), attr.CPUAffinity{cpu},
		attr.IOPrio{Class: attr.IOPrioBestEffort, Level: 6}, attr.TimerSlack(77_000), attr.OOMScoreAdj(500))
	c.wants("policy", strconv.Itoa(attr.SchedBatch|1<<30), "priority", strconv.Itoa(20-19), "Cpus_allowed_list", strconv.Itoa(cpu),
		"ioprio", strconv.Itoa(attr.IOPrioBestEffort<<13|6), "slack", "77000", "oom", "500")
	if _, err := os.Stat("/proc/self/numa_maps"); err == nil {
		c.add(attr.NUMAPolicy{Mode: attr.NUMALocal})
		c.wants("numa", "[local]")
	}
	if _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false); !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EPERM) {
		c.add(attr.SessionKeyring(""))
	}
}

// limits sets all, each to what fits an ordinary program or less.
func (c *combined) limits(t testing.TB) {
	t.Helper()
	for i := range allLimits {
		var l unix.Rlimit
		if err := unix.Getrlimit(i, &l); err != nil {
			t.Fatal(err)
		}
		x := uint64(1000 + i)
		switch i {
		case unix.RLIMIT_STACK, unix.RLIMIT_FSIZE:
			x = 8 << 20
		case unix.RLIMIT_AS, unix.RLIMIT_DATA, unix.RLIMIT_RSS: // the race detector wants a lot
			x = 1 << 50
		case unix.RLIMIT_RTTIME:
			x = 10e6
		}
		x = min(x, l.Max)
		c.add(attr.Rlimit{Resource: attr.Resource(i), Soft: x, Hard: x})
		soft := x
		if i == unix.RLIMIT_CORE && testenv.Sanitized() {
			soft = 0
		}
		c.wants("rlimit "+strconv.Itoa(i), softHard(soft, x))
	}
}

func (c *combined) sandbox(t testing.TB, dir string) {
	t.Helper()
	c.add(spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME))
	c.wants("Seccomp", "2", "uname", unix.EXDEV.Error())
	if !spawntest.HasLandlock() {
		t.Log("without Landlock")
		return
	}
	rules := attr.LandlockRules{Read: []string{dir}, Write: []string{dir + "/tmp"}, Execute: append(libraries(), dir, testenv.Self(t))}
	c.add(spawntest.NewRuleset(t, rules).Attr())
	c.wants("forbidden", (&os.PathError{Op: "open", Path: "/forbidden/file", Err: unix.EACCES}).Error())
}

// joinCgroup is left out where this process may not make one.
func (c *combined) joinCgroup(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("without a cgroup")
		return
	}
	dir, name := testenv.NewCgroup(t)
	c.add(attr.Cgroup{Dir: dir})
	c.cgroup = name
}

// check runs the program that reports, and while it waits looks at it from here.
func (c *combined) check(t *testing.T, s *spawn.Spec) {
	t.Helper()
	stdin, in := pipe(t)
	out, stdout := pipe(t)
	s.Actions.File(stdin, 0)
	s.Actions.File(stdout, 1)
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	stdout.Close()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Errorf("%q, %v", line, err)
	}
	where, _ := os.ReadFile("/proc/" + strconv.Itoa(p.Pid()) + "/cgroup")
	in.Close()
	if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 7 {
		t.Errorf("%v, %v", state, err)
	}
	if !strings.HasSuffix(strings.TrimSpace(string(where)), c.cgroup) {
		t.Errorf("cgroups %q, want %q", where, c.cgroup)
	}
	got := map[string]string{}
	if err := json.Unmarshal([]byte(line), &got); err != nil {
		t.Fatal(err)
	}
	for _, key := range slices.Sorted(maps.Keys(c.want)) {
		if got[key] != c.want[key] {
			t.Errorf("%s: %q, want %q", key, got[key], c.want[key])
		}
	}
	for place := range strings.FieldsSeq(got["mounts"]) {
		first, _, _ := strings.Cut(place[1:], "/")
		if !strings.Contains(c.want["root"], first) || first == "forbidden" {
			t.Errorf("something is mounted on %s", place)
		}
	}
	for name, own := range spawntest.NamespacesOf("self") {
		if now := got["namespace "+name]; now == "" || now == own {
			t.Errorf("%s: %q, here %q", name, now, own)
		}
	}
	if _, err := strconv.Atoi(got["keyring"]); err == nil && got["keyring"] == ownKeyring() {
		t.Errorf("the session keyring is %s here, too", got["keyring"])
	}
}

// pipe has its ends closed when the test ends, at the latest.
func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	return r, w
}

func ownKeyring() string {
	id, _ := unix.KeyctlGetKeyringID(unix.KEY_SPEC_SESSION_KEYRING, false)
	return strconv.Itoa(id)
}
