package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// needNamespaces skips what makes namespaces, where they can't be made.
func needNamespaces(t *testing.T, kinds string) {
	t.Helper()
	needEngine(t, "--new", kinds)
	if r := try(t, "--new", kinds, "true"); r.status != 0 {
		skipNamespaces(t, kinds, r)
	}
}

// skipNamespaces skips what has not made namespaces.
func skipNamespaces(t *testing.T, kinds string, r result) {
	t.Helper()
	list, err := parseNamespaces(namespaces)(kinds)
	if err != nil {
		t.Fatal(err)
	}
	var flags uint
	for _, flag := range list {
		flags |= flag
	}
	testenv.SkipNamespaces(t, flags, r.errOut)
}

// inside are flags for namespaces in which one is root, whoever one is.
func inside(t *testing.T, others string, flags ...string) []string {
	t.Helper()
	line := append([]string{"--new", "user," + others, "--map-root"}, flags...)
	if r := try(t, "--new", "user,mount", "--map-root", "true"); r.status != 0 {
		needNamespaces(t, others)
		line = append([]string{"--new", others}, flags...)
	}
	return line
}

func TestNamespaceFlags(t *testing.T) {
	needEngine(t, "--new", "mount")
	for kind, file := range map[string]string{"mount": "mnt", "net": "net", "ipc": "ipc", "uts": "uts", "cgroup": "cgroup", "pid": "pid", "user": "user"} {
		own, err := os.Readlink("/proc/self/ns/" + file)
		if err != nil {
			t.Fatal(err)
		}
		others := strings.TrimPrefix(kind+",mount", "user,")
		if got := must(t, inside(t, others, "readlink", "/proc/self/ns/"+file)...); got == own+"\n" || !strings.HasPrefix(got, file+":") {
			t.Errorf("--new %s: %q, own %q", kind, got, own)
		}
	}
	uid, gid := os.Geteuid(), os.Getegid()
	for _, c := range []struct {
		flags []string
		want  string
	}{
		{[]string{"--new", "user", "--map-root"}, "0\n0\n"},
		{[]string{"--unshare", "user,files", "--map-root", "--setgroups", "deny"}, "0\n0\n"},
		{[]string{"--new", "user", "--uid-map", fmt.Sprintf("7:%d:1", uid), "--gid-map", fmt.Sprintf("8:%d:1", gid)}, "7\n8\n"},
	} {
		inside(t, "mount")
		if got := must(t, append(c.flags, "sh", "-c", "id -u; id -g")...); got != c.want {
			t.Errorf("%q: got %q, want %q", c.flags, got, c.want)
		}
	}
	for _, flags := range [][]string{
		{"--new", "none"}, {"--map-root"}, {"--setgroups", "allow"}, {"--hostname", "x"}, {"--pivot-root", "/"}, {"--mount", "type=proc,target=/proc"},
		{"--new", "user", "--map-root", "--uid-map", "0:0:1"}, {"--setgroups", "x"}, {"--new", "uts", "--unshare", "user", "--new", "user"},
		{"--join", "net=/nonexistent"}, {"--join", "net=/dev/null"}, {"--join", "2147483647:all"}, {"--persist", "net=/x"}, {"--persist", "1:net"}, {"--unshare", "pid", "--persist", "pid=/x"}, {"--monotonic", "1"}, {"--new", "time", "--boottime", "x"}, {"--new", "time", "--boottime", "9223372037"}, {"--join", "2147483647:net"}, {"--cgroup", "/nonexistent"}, {"--cgroup", "/"},
		{"--chroot", "/nonexistent"}, {"--chroot", ""},
	} {
		fails(t, statusError, append(flags, "true")...)
	}
}

// TestLoopbackFlag looks at the addresses that the kernel gives the interface when it is up.
func TestLoopbackFlag(t *testing.T) {
	needEngine(t, "--new", "net")
	addresses := func(flags ...string) string {
		return must(t, inside(t, "net", append(flags, "cat", "/proc/net/fib_trie")...)...)
	}
	if s := addresses(); strings.Contains(s, "127.0.0.1") {
		t.Errorf("it is up without the flag: %s", s)
	}
	if s := addresses("--loopback"); !strings.Contains(s, "127.0.0.1") {
		t.Errorf("it is down: %q", s)
	}
	for _, flags := range [][]string{{}, {"--join", "net=/proc/self/ns/net"}, {"--new", "user", "--map-root"}} {
		fails(t, statusError, append(flags, "--loopback", "true")...)
	}
}

func TestNames(t *testing.T) {
	needEngine(t, "--new", "uts")
	const show = "cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname"
	if got := must(t, inside(t, "uts", "--hostname", "spawn-host", "--domainname", "spawn-nis", "sh", "-c", show)...); got != "spawn-host\nspawn-nis\n" {
		t.Errorf("got %q", got)
	}
	if os.Geteuid() != 0 {
		fails(t, statusError, "--new", "uts", "--hostname", "x", "true")
	}
}

// TestMountFlags looks at a copy of the root directory with a file system of its
// own in it.
func TestMountFlags(t *testing.T) {
	needEngine(t, "--new", "mount")
	dir := t.TempDir()
	top, sub := filepath.Join(dir, "top"), filepath.Join(dir, "sub")
	for _, d := range []string{top, sub} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, filepath.Join(sub, "file"), "here\n", 0o644)
	mounts := inside(t, "mount",
		"--mount", "rbind,source=/,target="+top,
		"--mount", "type=tmpfs,target="+top+"/tmp,size=1m,nosuid,nodev,noexec,mode=700",
		"--mount", "bind,source="+sub+",target="+sub+",ro,nosuid,nodev,rprivate")
	with := func(words ...string) []string { return append(mounts[:len(mounts):len(mounts)], words...) }
	const look = `touch /tmp/x && ls /tmp; pwd; grep " /tmp " /proc/self/mountinfo`
	for _, flag := range []string{"--chroot", "--pivot-root"} {
		lines := strings.Split(must(t, with(flag, top, "--env", "PATH=/usr/bin:/bin", "/bin/sh", "-c", look)...), "\n")
		if len(lines) != 4 || lines[0] != "x" || lines[1] != "/" || !strings.Contains(lines[2], "nosuid,nodev,noexec") || !strings.Contains(lines[2], "size=1024k") {
			t.Errorf("%s: %q", flag, lines)
		}
	}
	if got := must(t, with("sh", "-c", fmt.Sprintf("cat %s/file; (: >%s/file) 2>/dev/null || echo no; ls -A %s/tmp", sub, sub, top))...); got != "here\nno\n" {
		t.Errorf("got %q", got)
	}
	if text := readFile(t, filepath.Join(sub, "file")); text != "here\n" {
		t.Errorf("got %q", text)
	}
	if text := readFile(t, "/proc/self/mountinfo"); strings.Contains(text, dir) {
		t.Error("it is mounted outside")
	}
}

// A bind mount keeps the restrictions of its source, unless they are taken back.
func TestBindKeepsRestrictions(t *testing.T) {
	needEngine(t, "--new", "mount")
	dir := t.TempDir()
	outer := inside(t, "mount", "--mount", "type=tmpfs,target="+dir+",nosuid,nodev,noexec,nosymfollow")
	const links = ",nosymfollow"
	noLinks := "" // before Linux 5.10
	if strings.Contains(optionsOf(t, dir, outer...), links) {
		noLinks = links
	} else if !testenv.Lacks(unix.SYS_MOUNT_SETATTR) { // of Linux 5.12
		t.Error("the mount follows links")
	}
	for options, want := range map[string]string{
		"ro":           "ro,nosuid,nodev,noexec,relatime" + noLinks,
		"ro,suid,exec": "ro,nodev,relatime" + noLinks,
		"ro,symfollow": "ro,nosuid,nodev,noexec,relatime",
	} {
		got := optionsOf(t, dir, slices.Concat(outer, []string{spawnLink(t), "--new", "mount", "--mount", "bind,source=" + dir + ",target=" + dir + "," + options})...)
		if !strings.HasPrefix(got, want) || strings.Contains(got, links) != strings.Contains(want, links) {
			t.Errorf("%s: got %q, want %q", options, got, want)
		}
	}
}

// optionsOf are those of the mount at a path, as a program finds them.
func optionsOf(t *testing.T, path string, line ...string) (options string) {
	t.Helper()
	for mount := range strings.Lines(must(t, slices.Concat(line, []string{"cat", "/proc/self/mounts"})...)) {
		if words := strings.Fields(mount); words[1] == path {
			options = words[3]
		}
	}
	return options
}

// Mounts beneath a bind mount stay as they are, as with mount(8).
func TestReadOnlyOnTop(t *testing.T) {
	needEngine(t, "--new", "mount")
	dir := t.TempDir()
	line := inside(t, "mount", "--mount", "rbind,source=/,target="+dir+",ro")
	for path, want := range map[string]string{dir: "ro", dir + "/proc": "rw"} {
		if got := optionsOf(t, path, line...); !strings.HasPrefix(got, want+",") {
			t.Errorf("%s: got %q, want %s", path, got, want)
		}
	}
}

func TestPIDNamespace(t *testing.T) {
	needEngine(t, "--new", "pid")
	flags := inside(t, "pid,mount", "--mount", "type=proc,target=/proc")
	if r := try(t, append(flags, "true")...); r.status != 0 {
		testenv.Skip(t, "proc can't be mounted here")
	}
	if got := must(t, append(flags, "sh", "-c", "echo $$; ls -d /proc/[0-9]*")...); got != "1\n/proc/1\n" {
		t.Errorf("got %q", got)
	}
}

// TestJoin enters the namespaces of a program that waits.
func TestJoin(t *testing.T) {
	needEngine(t, "--join", "1:net")
	flags := inside(t, "uts", "--hostname", "spawn-joined")
	cmd := spawnCmd(t, append(flags, testenv.Self(t), as("signals"))...)
	cmd.Stderr = new(bytes.Buffer)
	r, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, cmd, r)
	defer s.end()
	types := "uts"
	if flags[1] != "uts" {
		types = "user,uts"
	}
	show := []string{"cat", "/proc/sys/kernel/hostname"}
	byPID := []string{"--join", fmt.Sprintf("%d:%s", s.pid, types)}
	var byFile []string
	for kind := range strings.SplitSeq(types, ",") {
		byFile = append(byFile, "--join", fmt.Sprintf("%s=/proc/%d/ns/%s", kind, s.pid, kind))
	}
	ways := [][]string{byFile}
	if !testenv.Lacks(unix.SYS_PIDFD_OPEN) {
		ways = append(ways, byPID)
	}
	for _, flags := range ways {
		if got := must(t, append(flags, show...)...); got != "spawn-joined\n" {
			t.Errorf("%q: got %q", flags, got)
		}
	}
}

func TestCgroupFlag(t *testing.T) {
	testenv.NeedRoot(t)
	needEngine(t, "--cgroup", "/")
	root := ""
	for line := range strings.Lines(readFile(t, "/proc/self/mountinfo")) {
		if words := strings.Fields(line); strings.Contains(line, " - cgroup2 ") && strings.HasPrefix(strings.Split(words[5], ",")[0], "rw") {
			root = words[4]
		}
	}
	dir := filepath.Join(root, "spawn-cli-test")
	if err := os.Mkdir(dir, 0o755); root == "" || err != nil {
		testenv.Skip(t, "no cgroups to be made")
	}
	defer os.Remove(dir)
	if got := must(t, "--cgroup", dir, "cat", "/proc/self/cgroup"); !strings.HasSuffix(got, "/spawn-cli-test\n") {
		t.Errorf("got %q", got)
	}
}

// TestMapAuto maps subordinate ids of nobody, in a mount namespace whose files list some. It
// compares with unshare(1).
func TestMapAuto(t *testing.T) {
	needEngine(t, "--new", "user")
	outer := func(users, groups string) []string {
		line := []string{"--new", "mount", "--user", "nobody", "--chdir", "/"}
		for name, text := range map[string]string{"subuid": users, "subgid": groups} {
			source := testenv.Write(t, filepath.Join(testenv.PublicDir(t), name), text, 0o644)
			line = append(line, "--mount", "bind,source="+source+",target=/etc/"+name)
		}
		return append(line, "--")
	}
	if os.Geteuid() != 0 {
		if text, err := os.ReadFile("/etc/subuid"); err == nil && len(text) == 0 {
			if line := fails(t, statusError, "--new", "user", "--map-auto", "true"); !strings.Contains(line, "spawn: --map-auto: /etc/subuid ") {
				t.Error(line)
			}
		}
		return
	}
	needNamespaces(t, "mount,user")
	program := publicCopy(t)
	for _, c := range []struct {
		users, groups, flags, unshare, want string
	}{
		{"bob:1:2\nnobody:100000:65536\n", "nobody:200000:70\n", "", "", "0 100000 65536 0 200000 70 allow"},
		{"65534:100000:65536\n", "65534:200000:70000\n", "--map-root", "-r", "0 65534 1 1 100000 65535 0 65534 1 1 200000 69999 allow"},
		{"nobody:100000:65536\n", "nobody:200000:70\n", "--map-self", "-c", "65534 65534 1 0 100000 65534 65535 165534 1 65534 65534 1 0 200000 70 allow"},
		{"nobody:100000:9\n", "nobody:200000:9\n", "--setgroups deny", "", "0 100000 9 0 200000 9 deny"},
	} {
		const show = "cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups"
		run := func(words ...string) result {
			r := try(t, append(outer(c.users, c.groups), words...)...)
			r.out = strings.Join(strings.Fields(r.out), " ")
			return r
		}
		r := run("sh", "-c", program+" --new user --map-auto "+c.flags+" "+show)
		if strings.Contains(r.errOut, "newuidmap") {
			testenv.Skip(t, "no newuidmap that may do it: "+r.errOut)
		}
		if r.out != c.want || r.status != 0 {
			t.Errorf("%q: %+v", c.flags, r)
		}
		if strings.Contains(c.flags, "setgroups") {
			continue // which unshare writes after it has mapped
		}
		if peer := run("sh", "-c", "unshare --map-auto "+c.unshare+" "+show); peer.status == 0 && peer.out != r.out {
			t.Errorf("unshare: %+v", peer)
		}
	}
	for text, file := range map[string]string{"bob:1:2\n": "/etc/subuid has no ids for user nobody", "nobody:1\n": `/etc/subuid: "nobody:1"`} {
		if r := try(t, append(outer(text, text), program, "--new", "user", "--map-auto", "true")...); r.status != statusError || !strings.Contains(r.errOut, "--map-auto: "+file) {
			t.Errorf("%q: %+v", text, r)
		}
	}
}
