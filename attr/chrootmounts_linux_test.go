//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// inChroot calls f in a thread whose root is a directory that is no mount point, in a
// mount namespace where all is shared, and returns what is mounted there afterwards.
func inChroot(dir string, f func()) (mounts string, err error) {
	testenv.OnThread(func() {
		err = unix.Unshare(unix.CLONE_NEWNS)
		if err != nil {
			return
		}
		err = unix.Mount("none", "/", "", unix.MS_REC|unix.MS_SHARED, "")
		root, e := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
		if err = errors.Join(err, e); err != nil {
			return
		}
		defer unix.Close(root)
		if err = errors.Join(unix.Chroot(dir), unix.Chdir("/")); err == nil {
			f()
		}
		err = errors.Join(err, unix.Fchdir(root), unix.Chroot("."))
		all, e := os.ReadFile("/proc/thread-self/mountinfo")
		mounts, err = string(all), errors.Join(err, e)
	})
	return mounts, err
}

// TestMountsInChroot wants mounts to work where the root is no mount point, and none
// of them to be seen outside.
func TestMountsInChroot(t *testing.T) {
	testenv.NeedCall(t, "pidfd_open", unix.SYS_PIDFD_OPEN)
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWNS)
	dir := testenv.PublicDir(t)
	for _, name := range []string{"mnt", "new/mnt", "work"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	testenv.Program(t, filepath.Join(dir, "program"), 3)
	testenv.Program(t, filepath.Join(dir, "new/program"), 4)
	mounts := attr.Mounts{{Target: "/mnt", FSType: "tmpfs"}}
	cases := map[string]struct {
		list   attr.List
		status int
		opens  string
	}{
		"unshare":        {attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}}, 3, "/program"},
		"mounts":         {attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, mounts}, 3, "/mnt/file"},
		"unshare, mount": {attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}, mounts}, 3, "/mnt/file"},
		"pids":           {attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWPID}, mounts}, 3, "/mnt/file"},
		"pivot":          {attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}, attr.PivotRoot("/new")}, 4, "/program"},
		"mount, pivot":   {attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.Mounts{{Target: "/new/mnt", FSType: "tmpfs"}}, attr.PivotRoot("new")}, 4, "/mnt/file"},
		"new root":       {attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.NewRoot{{Path: "/", Bind: "new"}, {Path: "/mnt", FSType: "tmpfs"}}}, 4, "/mnt/file"},
		"empty root":     {attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}, attr.NewRoot{{Path: "/program", Bind: "/new/program"}}}, 4, "/file"},
		"mount, chroot":  {attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.Mounts{{Target: "/new/mnt", FSType: "tmpfs"}}, attr.Chroot("/new")}, 4, "/mnt/file"},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, c := range cases {
			var state *spawn.ProcessState
			var err error
			seen, e := inChroot(dir, func() {
				s := &spawn.Spec{Path: "/program", Env: []string{}, Attr: c.list}
				flags := os.O_RDONLY
				if c.opens != "/program" {
					flags = os.O_RDWR | os.O_CREATE | os.O_EXCL
				}
				s.Actions.Open(5, c.opens, flags, 0o600)
				state, err = spawn.Run(t.Context(), s)
			})
			if e != nil || err != nil || state.ExitCode() != c.status {
				t.Errorf("%s: %v, %v, %v", name, e, state, err)
			}
			if strings.Contains(seen, dir) {
				t.Errorf("%s: seen outside:\n%s", name, seen)
			}
			for _, path := range []string{"mnt/file", "new/mnt/file"} {
				if err := os.Remove(filepath.Join(dir, path)); !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%s: made %s outside: %v", name, path, err)
				}
			}
		}
	})
}

// TestMountStrings has what the kernel would cut off, or refuse without a reason.
func TestMountStrings(t *testing.T) {
	own := attr.Namespaces{Flags: unix.CLONE_NEWNS | unix.CLONE_NEWUSER}
	page := os.Getpagesize()
	long := strings.Repeat("x", 4096)
	for _, bad := range []attr.Attr{
		attr.Mounts{{Target: "/mnt", FSType: "tmpfs", Data: strings.Repeat("x", page)}}, attr.Mounts{{Target: "/mnt", Source: long}},
		attr.Mounts{{Target: long}}, attr.Mounts{{Target: "/mnt", FSType: long}}, attr.PivotRoot(long),
	} {
		_, err := spawn.Compile(spawntest.Shell(":", own, bad))
		var e *spawn.Error
		if !errors.As(err, &e) || e.Index != 1 || !errors.Is(err, unix.EINVAL) {
			t.Errorf("%T: %.100v", bad, err)
		}
	}
	if os.Geteuid() != 0 {
		return
	}
	spawntest.NeedNamespaces(t, unix.CLONE_NEWNS)
	// The longest that is possible has an end that counts.
	data, last := strings.Repeat("size=1m,", page/8-2), "0700"
	data += "mode=" + strings.Repeat("0", page-1-len(data)-len("mode=")-len(last)) + last
	s := spawntest.Shell("stat -c %a /mnt", attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.Mounts{{Source: "none", Target: "/mnt", FSType: "tmpfs", Data: data}})
	if out := spawntest.Output(t, s); out != "700\n" {
		t.Errorf("%d bytes: mode %s", len(data), out)
	}
}
