//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// capCase is an attribute that takes a capability.
type capCase struct {
	list  attr.List
	errno syscall.Errno
	names string // the capability
}

// capCases are by the name of the attribute in docs/attributes.md.
func capCases(net *os.File) map[string]capCase {
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	one := func(attrs ...attr.Attr) attr.List { return attrs }
	own := attr.Unshare{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUTS}
	return map[string]capCase{
		"Nice":              {one(attr.Nice(-5)), unix.EACCES, "CAP_SYS_NICE"},
		"SchedPolicy":       {one(attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 10}), unix.EPERM, "CAP_SYS_NICE"},
		"IOPrio":            {one(attr.IOPrio{Class: attr.IOPrioRealTime}), unix.EPERM, "CAP_SYS_NICE"},
		"Rlimit":            {one(attr.Rlimit{Resource: unix.RLIMIT_CORE, Hard: 1}), unix.EPERM, "CAP_SYS_RESOURCE"},
		"OOMScoreAdj":       {one(attr.OOMScoreAdj(-1000)), unix.EACCES, "CAP_SYS_RESOURCE"},
		"Credential":        {one(attr.Credential{UID: uid, GID: gid}), unix.EPERM, "CAP_SETGID"},
		"Credential, gid":   {one(attr.Credential{UID: uid, GID: gid + 1, KeepGroups: true}), unix.EPERM, "CAP_SETGID"},
		"Credential, uid":   {one(attr.Credential{UID: uid + 1, GID: gid, KeepGroups: true}), unix.EPERM, "CAP_SETUID"},
		"AmbientCaps":       {one(attr.AmbientCaps{unix.CAP_NET_RAW, unix.CAP_CHOWN}), unix.EPERM, "CAP_CHOWN, CAP_NET_RAW"},
		"Capabilities":      {one(attr.NoCapabilities()), unix.EPERM, "CAP_SETPCAP"},
		"Capabilities, set": {one(attr.Capabilities{Effective: []attr.Capability{unix.CAP_BPF}}), unix.EPERM, "CAP_BPF"},
		"SecureBits":        {one(attr.SecureBits(1)), unix.EPERM, "CAP_SETPCAP"},
		"Seccomp":           {one(spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)), unix.EACCES, "CAP_SYS_ADMIN"},
		"Namespaces":        {one(attr.Namespaces{Flags: unix.CLONE_NEWUTS}), unix.EPERM, "CAP_SYS_ADMIN"},
		"Unshare":           {one(attr.Unshare{Flags: unix.CLONE_NEWNET}), unix.EPERM, "CAP_SYS_ADMIN"},
		"JoinNamespace":     {one(attr.JoinNamespace{File: net, Types: unix.CLONE_NEWNET}), unix.EPERM, "CAP_SYS_ADMIN"},
		"Mounts":            {one(own, attr.Mounts{{Target: "/", FSType: "tmpfs"}}), unix.EPERM, "CAP_SYS_ADMIN"},
		"PivotRoot":         {one(own, attr.PivotRoot("/")), unix.EPERM, "CAP_SYS_ADMIN"},
		"NewRoot":           {one(own, attr.NewRoot{{Path: "/x", FSType: "tmpfs"}}), unix.EPERM, "CAP_SYS_ADMIN"},
		"Hostname":          {one(own, attr.Hostname("x")), unix.EPERM, "CAP_SYS_ADMIN"},
		"Loopback":          {one(attr.Unshare{Flags: unix.CLONE_NEWNET}, attr.Loopback{}), unix.EPERM, "CAP_SYS_ADMIN"},
		"Chroot":            {one(attr.Chroot("/")), unix.EPERM, "CAP_SYS_CHROOT"},
		"IDMap": {one(attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: []attr.IDMapEntry{{HostID: int(uid) + 1, Size: 1}}}),
			unix.EPERM, "CAP_SETUID"},
	}
}

func init() {
	spawntest.Unprivileged("capability that is missing", capabilitiesMissing)
	spawntest.Unprivileged("not dumpable", notDumpable)
}

// capabilitiesMissing wants each refusal to name what would have helped.
func capabilitiesMissing(string) error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	net, err := os.Open("/proc/self/ns/net")
	if err != nil {
		return err
	}
	defer net.Close()
	var all []error
	cases := capCases(net)
	if !spawntest.CanMap() {
		delete(cases, "IDMap")
	}
	for name, c := range cases {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: c.list})
		if name == "IOPrio" && errors.Is(err, unix.ENOSYS) {
			continue // no such call
		}
		var e *spawn.Error
		if !errors.As(err, &e) || !errors.Is(err, c.errno) || !strings.Contains(e.Hint, c.names) {
			all = append(all, fmt.Errorf("%s: %w (%#v), want %s", name, err, err, c.names))
		}
	}
	return errors.Join(all...)
}

// TestFilterHint has a filter refuse what containers refuse, where no capability is missing.
func TestFilterHint(t *testing.T) {
	s := spawntest.Helper(t, "refused by a filter")
	testenv.NeedCap(t, unix.CAP_SYS_ADMIN)
	testenv.NeedCap(t, unix.CAP_SYS_CHROOT)
	s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM,
		unix.SYS_UNSHARE, unix.SYS_CHROOT, unix.SYS_PTRACE, unix.SYS_SET_MEMPOLICY, unix.SYS_KEYCTL, unix.SYS_SETSID, unix.SYS_SECCOMP)}
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("refused by a filter", func([]string) int {
	maybe := []string{"seccomp filter"}
	allow := attr.Seccomp{Filter: []attr.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}}
	return tells(map[*spawn.Spec]told{
		{Path: "/bin/true", Attr: attr.List{attr.Unshare{Flags: unix.CLONE_NEWUTS}}}:  {"uts", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.Unshare{Flags: unix.CLONE_NEWUSER}}}: {"user", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.Chroot("/")}}:                        {"/", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.StartSuspended{}}}:                   {"", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.NUMAPolicy{Mode: attr.NUMALocal}}}:   {"mode=local", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.SessionKeyring("k")}}:                {"k", unix.EPERM, maybe},
		{Path: "/bin/true", Attr: attr.List{attr.Setsid{}}}:                           {"", unix.EPERM, []string{""}},
		{Path: "/bin/true", Attr: attr.List{attr.NoNewPrivs{}, allow}}:                {"1 instructions", unix.EPERM, []string{""}},
	})
})

// TestEveryCapability is that there is a case for each row of the tables.
func TestEveryCapability(t *testing.T) {
	text, err := os.ReadFile("../../docs/attributes.md")
	if errors.Is(err, os.ErrNotExist) {
		testenv.Skip(t, "no source code here")
	}
	if err != nil {
		t.Fatal(err)
	}
	cases, n := capCases(nil), 0
	because := map[string]string{
		"ControllingTTY": "only who has two terminals can steal one",
		"DieWithParent":  "does less instead",
		"Landlock":       "needs a ruleset, and TestWithoutPrivilege has one",
		"RlimitToHard":   "raises nothing",
		"TimeOffsets":    "its namespace is refused first",
		"NoFile":         "is Rlimit",
		"NoFilePolicy":   "is Rlimit", "IDs": "is Credential",
	}
	for _, row := range regexp.MustCompile("(?m)^\\| (`.*`.*) \\|.*\\|.*\\|.*\\|(.*CAP_.*)\\|$").FindAllStringSubmatch(string(text), -1) {
		name := regexp.MustCompile("`(\\w+)`").FindStringSubmatch(row[1])[1]
		n++
		c, ok := cases[name]
		if _, why := because[name]; !ok && !why {
			t.Errorf("no case for %s", name)
		}
		if first, _, _ := strings.Cut(c.names, ","); ok && strings.Contains(row[2], "CAP_S") && !strings.Contains(row[2], first) {
			t.Errorf("%s: %s is not in %s", name, first, row[2])
		}
	}
	if n < 12 {
		t.Errorf("%d rows", n)
	}
}

// notDumpable is a process whose files in /proc are root's.
func notDumpable(string) error {
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return err
	}
	defer func() { _ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0) }()
	for _, list := range []attr.List{{attr.OOMScoreAdj(1000)}} {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: list})
		if how := (told{"1000", unix.EACCES, []string{"PR_SET_DUMPABLE"}}).differs(err); how != "" {
			return fmt.Errorf("%w: want %s", err, how)
		}
	}
	return nil
}

// TestNotForCapabilities has refusals that no capability would change.
func TestNotForCapabilities(t *testing.T) {
	testenv.NeedRoot(t)
	other, end := spawntest.LiveChild(t, attr.Setsid{})
	defer end()
	for _, x := range []struct {
		list attr.List
		want told
	}{
		{attr.List{attr.NoFile{Soft: 1 << 40, Hard: 1 << 40}}, told{"", unix.EPERM, []string{"fs.nr_open is "}}},
		{attr.List{attr.Setpgid{Pgid: other.Pid()}}, told{strconv.Itoa(other.Pid()), unix.EPERM, []string{"no such process group"}}},
	} {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: x.list})
		var e *spawn.Error
		if !errors.As(err, &e) {
			t.Errorf("%v: no Error", err)
			continue
		}
		if x.want.object == "" {
			x.want.object = e.Object
		}
		if how := x.want.differs(err); how != "" || strings.Contains(e.Hint, "CAP_") {
			t.Errorf("%v: want %s", err, how)
		}
	}
}

// TestUnmappedID has an id that a user namespace does not know.
func TestUnmappedID(t *testing.T) {
	asMappedRoot(t, "unmapped id", 0)
}

var _ = testenv.RegisterHelper("unmapped id", func([]string) int {
	return tells(map[*spawn.Spec]told{
		{Path: "/bin/true", Attr: attr.List{attr.Credential{UID: 77, GID: 77, KeepGroups: true}}}: {"77", unix.EINVAL, []string{"not mapped"}},
		{Path: "/bin/true", Attr: attr.List{attr.Credential{UID: 77, GID: 77}}}:                   {"[]", unix.EPERM, []string{"setgroups is denied"}},
		{Path: "/bin/true", Attr: attr.List{attr.Nice(-5)}}:                                       {"-5", unix.EACCES, []string{"CAP_SYS_NICE in the initial"}},
	})
})
