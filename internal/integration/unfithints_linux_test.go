//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestUnfitThings has attributes whose things are there, but not of the kind that the kernel
// wants, or not for this child: the hint says so.
func TestUnfitThings(t *testing.T) {
	open := func(path string) *os.File {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	null, uts := open(os.DevNull), open("/proc/self/ns/uts")
	noGroup := attr.Setpgid{Pgid: 1<<22 - 1} // above all pids but the last
	spawntest.EachEngine(t, func(t *testing.T) {
		type unfit struct {
			list attr.List
			told
		}
		list := []unfit{
			{attr.List{attr.Setsid{}, attr.ControllingTTY{File: null}}, told{os.DevNull, unix.ENOTTY, []string{"not a terminal"}}},
			{attr.List{attr.Setpgid{}, attr.Foreground{File: null}}, told{os.DevNull, unix.ENOTTY, []string{"not the controlling terminal"}}},
			{attr.List{noGroup}, told{"4194303", unix.EPERM, []string{"no such process group"}}},
			{attr.List{attr.CPUAffinity{60000}}, told{"[60000]", unix.EINVAL, []string{"online CPUs: 0"}}},
		}
		if !testenv.Lacks(unix.SYS_SETNS) {
			list = append(list,
				unfit{attr.List{attr.JoinNamespace{File: null, Types: unix.CLONE_NEWNET}}, told{os.DevNull + " net", unix.EINVAL, []string{"not the file of a namespace"}}},
				unfit{attr.List{attr.JoinNamespace{File: uts, Types: unix.CLONE_NEWNET}}, told{"/proc/self/ns/uts net", unix.EINVAL, []string{"CLONE_NEWUTS"}}})
		}
		for _, c := range list {
			checkTold(t, &spawn.Spec{Path: "/bin/true", Attr: c.list}, c.told)
		}
	})
}

// TestFileWithoutIDs has children whose ids a file system of their user namespace has no place
// for: the hint says what is missing.
func TestFileWithoutIDs(t *testing.T) {
	const flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	spawntest.NeedNamespaces(t, flags)
	at := t.TempDir()
	missing, other := []string{"attr.IDMap"}, []string{"uid or gid is not mapped"}
	uid := attr.IDMap{UID: []attr.IDMapEntry{{HostID: os.Geteuid(), Size: 1}}}
	tmpfs := attr.Mounts{{Source: "tmpfs", Target: at, FSType: "tmpfs"}}
	action := func(f func(*spawn.FileActions)) (a spawn.FileActions) { f(&a); return a }
	make := action(func(a *spawn.FileActions) { a.Mkdir(at+"/new", 0o755) })
	open := action(func(a *spawn.FileActions) { a.Open(5, at+"/new", os.O_CREATE|os.O_WRONLY, 0o644) })
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, c := range []struct {
			spec spawn.Spec
			told
		}{
			{spawn.Spec{Attr: attr.List{attr.NewRoot{{Path: "/new"}}}}, told{"/new", unix.EOVERFLOW, missing}},
			{spawn.Spec{Attr: attr.List{attr.NewRoot{{Path: "/new"}}, uid}}, told{"/new", unix.EOVERFLOW, other}},
			{spawn.Spec{Attr: attr.List{tmpfs}, Actions: make}, told{at + "/new", unix.EOVERFLOW, missing}},
			{spawn.Spec{Attr: attr.List{tmpfs}, Actions: open}, told{at + "/new", unix.EOVERFLOW, missing}},
		} {
			c.spec.Path = "/bin/true"
			for _, made := range []attr.Attr{attr.Namespaces{Flags: flags}, attr.Unshare{Flags: flags}} {
				s := c.spec
				s.Attr = append(attr.List{made}, c.spec.Attr...)
				checkTold(t, &s, c.told)
			}
		}
	})
}

// TestProcOfOtherPIDs mounts a proc file system where the pid namespace is not the child's to
// look at.
func TestProcOfOtherPIDs(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER|unix.CLONE_NEWNS)
	at := t.TempDir()
	list := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS}, attr.MapRoot(), nil}
	none, other := told{at, unix.EPERM, []string{"pid namespace"}}, told{"proc on " + at, unix.EPERM, []string{"pid namespace"}}
	for _, c := range []struct {
		mounts attr.Attr
		told   told
	}{
		{attr.Mounts{{FSType: "proc", Target: at}}, none},
		{attr.Mounts{{FSType: "proc", Source: "proc", Target: at}}, other},
		{attr.NewRoot{{FSType: "proc", Path: at}}, other},
		{attr.Mounts{{FSType: "proc", Target: "/nonexistent"}}, told{"/nonexistent", unix.ENOENT, []string{""}}},
	} {
		list[2] = c.mounts
		checkTold(t, &spawn.Spec{Path: "/bin/true", Attr: list}, c.told)
	}
}
