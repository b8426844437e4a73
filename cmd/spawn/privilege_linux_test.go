package main

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/lookup"
)

func TestIDFlags(t *testing.T) {
	testenv.NeedRoot(t)
	nobody(t)
	needEngine(t, "--ruid", "1")
	for _, c := range []struct {
		flags []string
		want  map[string]string
	}{
		{
			[]string{"--ruid", "11", "--euid", "12", "--rgid", "13", "--egid", "14"},
			map[string]string{"Uid": "11 12 12 12", "Gid": "13 14 14 14", "Groups": ""},
		},
		{[]string{"--euid", "12", "--groups", "21,22"}, map[string]string{"Uid": "0 12 12 12", "Gid": "0 0 0 0", "Groups": "21 22"}},
		{[]string{"--groups", "21"}, map[string]string{"Uid": "0 0 0 0", "Groups": "21"}},
		{[]string{"--user", "21:22", "--groups", "23,24"}, map[string]string{"Uid": "21 21 21 21", "Gid": "22 22 22 22", "Groups": "23 24"}},
		{[]string{"--user", "root", "--groups", "none"}, map[string]string{"Uid": "0 0 0 0", "Groups": ""}},
		{[]string{"--groups", "21", spawnLink(t), "--user", "22:23", "--keep-groups"}, map[string]string{"Uid": "22 22 22 22", "Groups": "21"}},
		{[]string{"--groups", "21", spawnLink(t), "--rgid", "23", "--keep-groups"}, map[string]string{"Gid": "23 0 0 0", "Groups": "21"}},
		{[]string{"--ruid", "12", "--keep-groups", spawnLink(t), "--reset-ids"}, map[string]string{"Uid": "12 12 12 12"}},
	} {
		same(t, c.flags, statusWith(t, c.flags...), c.want)
	}
	for _, flags := range [][]string{
		{"--keep-groups"}, {"--keep-groups", "--groups", "1"}, {"--user-env"}, {"--reset-env", "--clear-env"}, {"--user", "1:1", "--ruid", "1"}, {"--reset-ids", "--user", "1:1"},
	} {
		fails(t, statusError, append(flags, "true")...)
	}
}

// TestUserKeepsGroups has a list of groups of its own.
func TestUserKeepsGroups(t *testing.T) {
	testenv.NeedRoot(t)
	u := nobody(t)
	needEngine(t, "--new", "mount")
	needNamespaces(t, "mount")
	list := writeFile(t, filepath.Join(t.TempDir(), "group"), readFile(t, "/etc/group")+"spawn-test:x:5555:"+u.Username+"\n", 0o644)
	outer := []string{"--new", "mount", "--mount", "bind,source=" + list + ",target=/etc/group", spawnLink(t)}
	for user, want := range map[string]string{
		u.Username:           "5555 " + u.Gid,
		u.Username + ":4321": "4321 5555",
	} {
		flags := append(outer[:len(outer):len(outer)], "--user", user)
		same(t, flags, statusWith(t, flags...), map[string]string{"Groups": want})
	}
}

func TestUserEnv(t *testing.T) {
	needEngine(t, "--explain", "--subreaper")
	want, err := lookup.Env("0")
	if err != nil {
		testenv.Skip(t, "uid 0 has no name")
	}
	// The groups of it are another matter.
	flags := []string{"--user", "0", "--user-env", "--clear-env", "--env", "HOME=/h", "--groups", "none", "env"}
	want[0] = "HOME=/h"
	r := try(t, flags...)
	if os.Geteuid() != 0 {
		if r.status != statusError {
			t.Errorf("%+v", r)
		}
		return
	}
	got := map[string]bool{}
	for line := range strings.Lines(r.out) {
		got[strings.TrimSpace(line)] = true
	}
	for _, line := range want {
		if !got[line] || r.status != 0 || len(got) != len(want) {
			t.Errorf("%+v, want %q", r, want)
		}
	}
}

func TestCapabilityFlags(t *testing.T) {
	needEngine(t, "--caps", "none")
	const none = "0000000000000000"
	if os.Geteuid() != 0 {
		// What one hasn't got one can give up, but for the bounding set.
		flags := []string{"--cap-ambient", "none", "--cap-effective", "none", "--cap-permitted", "none", "--no-new-privs"}
		same(t, flags, statusWith(t, flags...), map[string]string{"CapEff": none, "CapPrm": none, "NoNewPrivs": "1"})
		fails(t, statusError, "--caps", "none", "true")
		fails(t, statusError, "--cap-ambient", "chown", "true")
		return
	}
	full := fields(readFile(t, "/proc/self/status"))["CapBnd"]
	two := "0000000000000021"
	all := func(value string) map[string]string {
		return map[string]string{"CapEff": value, "CapPrm": value, "CapInh": value, "CapAmb": value, "CapBnd": value}
	}
	for _, c := range []struct {
		flags []string
		want  map[string]string
	}{
		{[]string{"--caps", "none"}, all(none)},
		{[]string{"--caps", "chown,CAP_KILL", "--user", "21:22"}, all(two)},
		{[]string{"--caps", "all"}, all(full)},
		{[]string{"--user", "21:22", "--cap-ambient", "0,5"}, map[string]string{"CapEff": two, "CapAmb": two, "CapBnd": full}},
		{
			[]string{"--user", "21:22", "--cap-ambient", "0,5", publicCopy(t), "--cap-ambient", "none"},
			map[string]string{"CapInh": two, "CapEff": none, "CapAmb": none, "CapBnd": full},
		},
		{[]string{"--cap-bounding", "chown,kill"}, map[string]string{"CapBnd": two, "CapEff": two}},
		{[]string{"--cap-inheritable", "chown,kill", "--user", "21:22"}, map[string]string{"CapInh": two, "CapEff": none}},
		{[]string{"--caps", "none", "--cap-bounding", "all"}, map[string]string{"CapBnd": full, "CapInh": none}},
	} {
		same(t, c.flags, statusWith(t, c.flags...), c.want)
	}
	flags := []string{"--securebits", "noroot,noroot_locked,no_setuid_fixup"}
	same(t, flags, taskWith(t, flags...), map[string]string{"securebits": "7 <nil>"})
	same(t, flags, statusWith(t, flags...), map[string]string{"CapEff": none})
	for _, flags := range [][]string{{"--cap-permitted", "none"}, {"--securebits", "keep_caps"}, {"--caps", "none", "--cap-ambient", "chown"}} {
		fails(t, statusError, append(flags, "true")...)
	}
}

func TestSeccompFlags(t *testing.T) {
	dir := t.TempDir()
	filter := writeFile(t, filepath.Join(dir, "filter"), string(allowAll()), 0o644)
	needEngine(t, "--no-new-privs", "--seccomp", filter)
	flags := []string{"--no-new-privs", "--seccomp", filter, "--seccomp-log"}
	same(t, flags, statusWith(t, flags...), map[string]string{"Seccomp": "2", "NoNewPrivs": "1"})
	if os.Geteuid() != 0 {
		fails(t, statusError, "--seccomp", filter, "true")
	}
	short := writeFile(t, filepath.Join(dir, "short"), "1234", 0o644)
	for _, flags := range [][]string{{"--seccomp", short}, {"--seccomp", dir}, {"--seccomp", "/nonexistent"}, {"--seccomp", "/dev/null"}, {"--seccomp", "/dev/zero"}, {"--seccomp-log"}} {
		fails(t, statusError, append(flags, "true")...)
	}
}

func TestLandlockFlags(t *testing.T) {
	if r, err := attr.NewLandlock(attr.LandlockRules{}); errors.Is(err, errors.ErrUnsupported) {
		fails(t, statusError, "--landlock", "true")
		testenv.Skip(t, "no Landlock, or an old one")
	} else if err == nil {
		r.Close()
	}
	needEngine(t, "--no-new-privs", "--landlock")
	dir := t.TempDir()
	in, out := writeFile(t, filepath.Join(dir, "in"), "x\n", 0o644), filepath.Join(dir, "out")
	run := []string{"--no-new-privs", "--allow-exec", "/"}
	with := func(words ...string) []string { return append(run[:len(run):len(run)], words...) }
	if got := must(t, with("cat", in)...); got != "x\n" {
		t.Errorf("reading: %q", got)
	}
	list := []string{"ls", dir}
	if r := try(t, with(list...)...); r.status == 0 {
		t.Error("a directory can be listed")
	}
	must(t, with(append([]string{"--allow-read", dir}, list...)...)...)
	make := []string{"sh", "-c", ": >" + out}
	if r := try(t, with(make...)...); r.status == 0 {
		t.Error("a file can be made")
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	must(t, with(append([]string{"--allow-write", dir, "--landlock-best-effort"}, make...)...)...)
	for _, flag := range []string{"--landlock", "--allow-tcp", "--deny-signals", "--deny-abstract-unix", "--allow-bind=1", "--allow-read=/"} {
		fails(t, statusNotRun, "--no-new-privs", flag, "cat", in)
	}
	fails(t, statusError, "--no-new-privs", "--allow-read", "/nonexistent", "true")
	fails(t, statusError, "--allow-tcp", "--allow-bind", "1", "true")

	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		testenv.Skip(t, "no network")
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	dial := []string{"--allow-read", "/", testenv.Self(t), as("connect"), l.Addr().String()}
	for _, flags := range [][]string{{"--allow-connect", port}, {"--allow-tcp"}} {
		must(t, with(append(flags, dial...)...)...)
	}
	if r := try(t, with(append([]string{"--allow-bind", port}, dial...)...)...); !strings.Contains(r.out, syscall.EACCES.Error()) {
		t.Errorf("without --allow-connect: %+v", r)
	}
	kill := []string{"sh", "-c", "kill -0 $PPID"}
	must(t, with(append([]string{"--landlock-best-effort"}, kill...)...)...)
	if r := try(t, with(append([]string{"--deny-signals", "--deny-abstract-unix"}, kill...)...)...); r.status == 0 {
		t.Errorf("signals: %+v", r)
	}
}

// TestLandlockInside has rules about what the program has mounted, or has for a root.
func TestLandlockInside(t *testing.T) {
	needEngine(t, "--no-new-privs", "--allow-exec", "/")
	if !spawn.Features().Has(spawn.FeatureLandlock) {
		fails(t, statusError, "--no-new-privs", "--allow-exec", "/", "true")
		testenv.Skip(t, "no Landlock")
	}
	root := t.TempDir()
	run := []string{"--no-new-privs", "--landlock-best-effort", "--allow-exec", "/bin", "--allow-exec", "/usr", "--allow-exec", "/lib"}
	if _, err := os.Stat("/lib64"); err == nil {
		run = append(run, "--allow-exec", "/lib64")
	}
	flags := inside(t, "mount,pid", append([]string{"--mount", "type=proc,source=proc,target=/proc"}, run...)...)
	script := []string{"sh", "-c", "read x </proc/self/stat && echo ${x%% *}"}
	if got := must(t, append(append(flags[:len(flags):len(flags)], "--allow-read", "/proc"), script...)...); got != "1\n" {
		t.Errorf("%q", got)
	}
	if r := try(t, append(flags[:len(flags):len(flags)], script...)...); r.status == 0 {
		t.Errorf("without --allow-read: %+v", r)
	}
	flags = inside(t, "mount", "--mount", "type=tmpfs,target="+root, "--allow-read", root+"/missing")
	if got := fails(t, statusError, append(append(flags, run...), "true")...); !strings.Contains(got, root+"/missing") {
		t.Errorf("%q", got)
	}
}

// TestNewerLandlockFlags wants each either to restrict, or to be refused: by a message that
// names the flag and the kernel that has it, or with --landlock-best-effort by one that
// names what is left out.
func TestNewerLandlockFlags(t *testing.T) {
	needEngine(t, "--no-new-privs", "--landlock")
	abi := 0
	for _, f := range spawn.Features() {
		if f.Name == spawn.FeatureLandlock {
			abi = f.Version
		}
	}
	for flags, c := range map[string]struct {
		abi         int
		right, from string
	}{
		"--landlock-log":                    {7, "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON", "6.15"},
		"--landlock-log --landlock-quiet=/": {10, "LANDLOCK_ADD_RULE_QUIET", "7.2"},
		"--deny-pathname-unix":              {9, "LANDLOCK_ACCESS_FS_RESOLVE_UNIX", "7.1"},
		"--allow-unix=/":                    {9, "LANDLOCK_ACCESS_FS_RESOLVE_UNIX", "7.1"},
		"--deny-udp":                        {10, "LANDLOCK_ACCESS_NET_BIND_UDP", "7.2"},
		"--allow-udp-bind=0":                {10, "LANDLOCK_ACCESS_NET_BIND_UDP", "7.2"},
		"--allow-udp-connect=53":            {10, "LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP", "7.2"},
	} {
		line := append([]string{"--no-new-privs", "--allow-exec", "/"}, strings.Fields(flags)...)
		r := try(t, append(line, "true")...)
		if abi >= c.abi {
			if r.status != 0 || r.errOut != "" {
				t.Errorf("%s: %+v", flags, r)
			}
			continue
		}
		if r.status != statusError || abi > 6 && !strings.Contains(r.errOut, c.from) {
			t.Errorf("%s: %+v", flags, r)
		}
		if r = try(t, append(line, "--landlock-best-effort", "true")...); r.status != 0 || !strings.Contains(r.errOut, c.right) {
			t.Errorf("%s: %+v", flags, r)
		}
	}
}

func TestPersonalityFlags(t *testing.T) {
	needEngine(t, "--no-aslr")
	const file = "/proc/self/personality" // its owner's alone, but for what is not dumpable
	for _, c := range []struct {
		want uint64
		args []string
	}{
		{0x0040000, []string{"--no-aslr"}},
		{0x0240000, []string{"--no-aslr", "--personality", "0x200000"}},
		{0x0200000, []string{"--personality", "200000"}},
	} {
		if got := must(t, append(c.args, "cat", file)...); got != testenv.PersonalityFile(t, c.want) {
			t.Errorf("%q: got %q", c.args, got)
		}
	}
	fails(t, statusError, "--personality", "ffffffff", "true")
}

func TestKeyringFlag(t *testing.T) {
	needEngine(t, "--keyring", "-")
	if r := try(t, "--keyring", "-", "true"); r.status != 0 {
		fails(t, statusError, "--keyring", "-", "true")
		testenv.Skip(t, "no keys in this kernel")
	}
	for name, want := range map[string]string{"-": "_ses", "spawn-test": "spawn-test"} {
		same(t, []string{name}, taskWith(t, "--keyring", name), map[string]string{"keyring": want})
	}
}
