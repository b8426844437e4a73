//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"os"
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

// TestJoinNamespace has a child enter the namespaces of another.
func TestJoinNamespace(t *testing.T) {
	flags := uint(unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWUSER)
	spawntest.NeedNamespaces(t, flags)
	spawntest.EachEngine(t, func(t *testing.T) {
		other, end := spawntest.LiveChild(t, attr.Namespaces{Flags: flags})
		defer end()
		own := spawntest.NamespacesOf("self")
		theirs := spawntest.NamespacesOf(strconv.Itoa(other.Pid()))
		list := attr.List{
			attr.JoinNamespace{File: spawntest.NamespaceFile(t, other.Pid(), "net"), Types: unix.CLONE_NEWNET},
			attr.JoinNamespace{File: spawntest.NamespaceFile(t, other.Pid(), "uts")},
			attr.JoinNamespace{File: spawntest.NamespaceFile(t, other.Pid(), "user"), Types: unix.CLONE_NEWUSER},
		}
		got := spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(list...)))
		for name := range spawntest.NamespaceKinds {
			want := own[name]
			if name == "net" || name == "uts" || name == "user" {
				want = theirs[name]
			}
			if got[name] != want {
				t.Errorf("%s is %q, want %q", name, got[name], want)
			}
		}
		if now := spawntest.NamespacesOf("self"); now["net"] != own["net"] || now["user"] != own["user"] {
			t.Errorf("this process is in %v", now)
		}
	})
}

// TestJoinByPidfd enters several namespaces of a process with one call.
func TestJoinByPidfd(t *testing.T) {
	flags := uint(unix.CLONE_NEWUTS | unix.CLONE_NEWNET | unix.CLONE_NEWUSER)
	spawntest.NeedNamespaces(t, flags)
	spawntest.EachEngine(t, func(t *testing.T) {
		other, end := spawntest.LiveChild(t, attr.Namespaces{Flags: flags})
		defer end()
		fd, err := unix.PidfdOpen(other.Pid(), 0)
		if err != nil {
			testenv.Skip(t, "no pidfds: "+err.Error())
		}
		f := os.NewFile(uintptr(fd), "pidfd")
		defer f.Close()
		out, _, err := spawntest.TryOutput(spawntest.Namespaces(attr.JoinNamespace{File: f, Types: flags}))
		if errors.Is(err, unix.EINVAL) {
			testenv.Skip(t, "setns does not take pidfds")
		}
		got, theirs := spawntest.ParseNamespaces(out), spawntest.NamespacesOf(strconv.Itoa(other.Pid()))
		for _, name := range []string{"user", "net", "uts"} {
			if err != nil || got[name] != theirs[name] {
				t.Errorf("%s is %q, want %q; %v", name, got[name], theirs[name], err)
			}
		}
	})
}

func TestHostname(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWUTS)
	spawntest.NeedNamespaces(t, flags)
	was, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, own := range []attr.Attr{attr.Namespaces{Flags: flags}, attr.Unshare{Flags: flags}} {
			out := spawntest.Output(t, spawntest.Shell("cat /proc/sys/kernel/hostname /proc/sys/kernel/domainname",
				own, attr.Hostname("here"), attr.Domainname("there")))
			if out != "here\nthere\n" {
				t.Errorf("%T: %q", own, out)
			}
		}
	})
	if now, _ := os.Hostname(); now != was {
		t.Errorf("this host is %q, was %q", now, was)
	}
}

// TestPivotRoot runs a program for which a directory is all there is.
func TestPivotRoot(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWNS)
	spawntest.NeedNamespaces(t, flags)
	testenv.NeedPivotRoot(t)
	before := testenv.Mounts(t)
	dir := spawntest.RootDirectory(t, 7)
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, own := range []attr.Attr{attr.Namespaces{Flags: flags}, attr.Unshare{Flags: flags}} {
			s := &spawn.Spec{Path: "/program", Attr: attr.List{own, attr.PivotRoot(dir)}}
			if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != 7 {
				t.Errorf("%T: %v, %v", own, state, err)
			}
			s.Actions.Open(0, "/etc/passwd", os.O_RDONLY, 0)
			if _, err := spawn.Run(context.Background(), s); !errors.Is(err, unix.ENOENT) {
				t.Errorf("%T: outside: %v", own, err)
			}
		}
	})
	if changed := testenv.MountsSince(t, before); len(changed) > 0 {
		t.Errorf("mounts have come or are gone: %q", changed)
	}
}

// TestMounts mounts before the program begins: a tmpfs, and a directory that is
// read-only there.
func TestMounts(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWNS)
	spawntest.NeedNamespaces(t, flags)
	dir := testenv.PublicDir(t)
	before := testenv.Mounts(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		out, _, err := spawntest.TryOutput(spawntest.Shell("cd "+dir+" && { echo x >a; } 2>/dev/null; echo $?; cat /proc/self/mountinfo",
			attr.Namespaces{Flags: flags}, attr.Mounts{
				{Target: dir, FSType: "tmpfs", Data: "size=64k"},
				{Source: dir, Target: dir, Flags: unix.MS_BIND},
				{Target: dir, Flags: unix.MS_REMOUNT | unix.MS_BIND | unix.MS_RDONLY},
			}))
		if err != nil || strings.Count(out, " "+dir+" ") != 2 || strings.HasPrefix(out, "0\n") {
			t.Errorf("%q, %v", out, err)
		}
	})
	if changed := testenv.MountsSince(t, before); len(changed) > 0 {
		t.Errorf("mounts have come or are gone: %q", changed)
	}
}

// TestRootFaults has each step fail.
func TestRootFaults(t *testing.T) {
	flags := spawntest.WithUser(unix.CLONE_NEWNS | unix.CLONE_NEWUTS)
	spawntest.NeedNamespaces(t, flags)
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	own := attr.Namespaces{Flags: flags}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, test := range []struct {
			list attr.List
			step string
			is   error
		}{
			{attr.List{attr.Nice(19), attr.JoinNamespace{File: file}}, "setns", unix.EINVAL},
			{attr.List{attr.Nice(19), attr.JoinNamespace{File: closed}}, "setns", os.ErrClosed},
			{attr.List{own, attr.Mounts{{Target: "/no/such/directory", FSType: "tmpfs"}}}, "mount", unix.ENOENT},
			{attr.List{own, attr.Mounts{{Target: "/", FSType: "no such type"}}}, "mount", unix.ENODEV},
			{attr.List{own, attr.PivotRoot("/no/such/directory")}, "pivot_root", unix.ENOENT},
		} {
			_, err := spawn.Start(context.Background(), spawntest.Shell(":", test.list...))
			var e *spawn.Error
			if !errors.As(err, &e) || e.Step != test.step || e.Index != 1 || !errors.Is(err, test.is) {
				t.Errorf("%s: %v", test.step, err)
			}
		}
	})
}

// TestRootMistakes has Compile refuse what makes no sense, or could happen to this
// process's own namespaces.
func TestRootMistakes(t *testing.T) {
	file, err := os.Open("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	net := attr.JoinNamespace{File: file, Types: unix.CLONE_NEWNET}
	mnt := attr.Namespaces{Flags: unix.CLONE_NEWNS}
	for i, list := range []attr.List{
		{attr.JoinNamespace{}},
		{attr.JoinNamespace{File: file, Types: unix.CLONE_NEWTIME}},
		{attr.JoinNamespace{File: file, Types: unix.CLONE_VM}},
		{net, net},
		{net, attr.Namespaces{Flags: unix.CLONE_NEWNET}},
		{attr.Hostname("x")},
		{attr.Loopback{}},
		{attr.Loopback{}, net},
		{attr.Loopback{}, mnt},
		{attr.Domainname("x"), mnt},
		{attr.Hostname(strings.Repeat("x", 65)), attr.Namespaces{Flags: unix.CLONE_NEWUTS}},
		{attr.PivotRoot("/")},
		{attr.PivotRoot(""), mnt},
		{attr.PivotRoot("/"), attr.Chroot("/"), mnt},
		{attr.Mounts{{Target: "/x"}}},
		{attr.Mounts{}, mnt},
		{attr.Mounts{{Source: "x"}}, mnt},
	} {
		var e *spawn.Error
		if _, err := spawn.Compile(spawntest.Shell(":", list...)); !errors.Is(err, syscall.EINVAL) || !errors.As(err, &e) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
