//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// needNewRoot skips a test where no root can be made, and has the namespaces for one, with their
// maps.
func needNewRoot(t *testing.T) (own attr.Namespaces, maps attr.List) {
	t.Helper()
	own.Flags = spawntest.WithUser(unix.CLONE_NEWNS | unix.CLONE_NEWPID)
	spawntest.NeedNamespaces(t, own.Flags)
	testenv.NeedPivotRoot(t)
	if own.Flags&unix.CLONE_NEWUSER != 0 {
		maps = attr.List{attr.MapRoot()}
	}
	s := spawntest.Helper(t, "mount calls")
	s.Attr = append(attr.List{own}, maps...)
	if lacks := spawntest.Output(t, s); lacks != "" {
		testenv.Skip(t, lacks)
	}
	return own, maps
}

// It says which calls are lacking. Without privilege they are refused whatever they are for.
var _ = testenv.RegisterHelper("mount calls", func([]string) int {
	for nr, name := range map[uintptr]string{unix.SYS_OPEN_TREE: "open_tree", unix.SYS_MOVE_MOUNT: "move_mount", unix.SYS_MOUNT_SETATTR: "mount_setattr"} {
		if lacks := testenv.LacksCall(name, nr); lacks != "" {
			fmt.Print(lacks)
			break
		}
	}
	return 0
})

// programs are what a shell takes.
func programs() (r attr.NewRoot) {
	for _, dir := range []string{"/bin", "/lib", "/lib64", "/usr"} {
		if _, err := os.Stat(dir); err == nil {
			r = append(r, attr.RootEntry{Path: dir, Bind: dir})
		}
	}
	return r
}

// TestNewRoot looks at a root with all kinds of entries, from inside.
func TestNewRoot(t *testing.T) {
	own, maps := needNewRoot(t)
	before := testenv.Mounts(t)
	dir := testenv.PublicDir(t)
	testenv.Write(t, filepath.Join(dir, "file"), "text", 0o666)
	root := append(programs(),
		attr.RootEntry{Path: "/tmp", FSType: "tmpfs", Data: "mode=1777"},
		attr.RootEntry{Path: "/proc", FSType: "proc"},
		attr.RootEntry{Path: "/a/b/read", Bind: filepath.Join(dir, "file")},
		attr.RootEntry{Path: "/a/write", Bind: dir, Writable: true},
		attr.RootEntry{Path: "/a/dev", Bind: "/dev", Writable: true},
		attr.RootEntry{Path: "/a/link", Symlink: "/a/b"},
		attr.RootEntry{Path: "/a/link/c", Perm: 0o711},
		attr.RootEntry{Path: "/a"},
	)
	root = append(root, attr.MinimalDev("/dev")...)
	want := "/a\n/dev\n/proc\n/tmp\n"
	for _, e := range programs() {
		want += e.Path + "\n"
	}
	lines := strings.SplitAfter(want, "\n")
	slices.Sort(lines)
	const script = `PATH=/usr/bin:/bin; umask; pwd; echo $$; for f in /*; do echo $f; done; cat /a/b/read /a/write/file; stat -c %a /a/b/c /dev/shm /tmp
		echo new >/a/write/file && cat /a/b/read
		for f in /usr/x /a/b/read /a/dev/null /etc/passwd; do (: >>$f) 2>/dev/null && echo wrote $f; done
		: >/dev/null; echo </dev/stdin; head -c 3 /dev/fd/0; test -c /dev/pts/ptmx && test -c /dev/ptmx && echo end`
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.Write(t, filepath.Join(dir, "file"), "text", 0o666)
		s := spawntest.Shell(script, append(attr.List{own, root, attr.Umask(0o22)}, maps...)...)
		if got, want := spawntest.Output(t, s), "0022\n/\n1\n"+strings.Join(lines, "")+"texttext711\n1777\n1777\nnew\n\nend\n"; got != want {
			t.Errorf("got %q\nwant %q", got, want)
		}
		s.Attr[0] = attr.Unshare{Flags: own.Flags &^ unix.CLONE_NEWPID}
		s.Attr[1] = slices.Concat(programs(), attr.NewRoot{{Path: "/x", FSType: "tmpfs"}})
		s.Args = []string{"sh", "-c", "echo /x/* /*"}
		if got := spawntest.Output(t, s); !strings.HasPrefix(got, "/x/* /bin ") {
			t.Errorf("after unshare: %q", got)
		}
	})
	if changed := testenv.MountsSince(t, before); len(changed) > 0 {
		t.Errorf("mounts have come or are gone: %q", changed)
	}
}

// TestNewRootHolds has entries whose paths lead out by symbolic links, in a root that is
// a directory outside.
func TestNewRootHolds(t *testing.T) {
	own, maps := needNewRoot(t)
	outside := testenv.PublicDir(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := spawntest.RootDirectory(t, 7)
		for _, err := range []error{
			os.Mkdir(filepath.Join(dir, "inner"), 0o755), os.Symlink(outside, filepath.Join(dir, "out")),
			os.Symlink(strings.Repeat("../", 30), filepath.Join(dir, "up")), os.Symlink("/inner", filepath.Join(dir, "in")),
			os.Chmod(dir, 0o777), os.Chmod(filepath.Join(dir, "inner"), 0o777),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		root := attr.NewRoot{
			{Path: "/", Bind: dir, Writable: true}, {Path: "/up/from-up"}, {Path: "/in/from-in"},
			{Path: "/up/mounted", FSType: "tmpfs"}, {Path: "/up/mounted/x", Symlink: "/"}, {Path: "/up/mounted/x/here", Perm: 0o700},
		}
		s := &spawn.Spec{Path: "/program", Attr: append(attr.List{own, root}, maps...)}
		s.Actions.Open(0, "/etc/passwd", os.O_RDONLY, 0)
		if _, err := spawn.Run(context.Background(), s); !errors.Is(err, unix.ENOENT) {
			t.Errorf("outside: %v", err)
		}
		for _, name := range []string{"from-up", "inner/from-in", "mounted", "here"} {
			if st, err := os.Stat(filepath.Join(dir, name)); err != nil || !st.IsDir() {
				t.Errorf("%s: %v, %v", name, st, err)
			}
		}
		s.Attr[1] = append(root[:1:1], attr.RootEntry{Path: "/out/made"})
		_, err := spawn.Run(context.Background(), s)
		var e *spawn.Error
		if !errors.As(err, &e) || e.Step != spawn.StepMkdir || e.Index != 1 || e.Object != "/out/made" || !errors.Is(err, unix.ENOENT) {
			t.Errorf("by a link out: %v", err)
		}
		if list, err := os.ReadDir(outside); err != nil || len(list) > 0 {
			t.Errorf("outside: %v, %v", list, err)
		}
	})
}

// TestNewRootUnsearchable binds a directory that the child may not enter.
func TestNewRootUnsearchable(t *testing.T) {
	own, dir := needUnmapped(t)
	closed := filepath.Join(dir, "closed")
	root := append(programs(), attr.RootEntry{Path: "/closed", Bind: closed}, attr.RootEntry{Path: "/closed"}, attr.RootEntry{Path: "/after"})
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Shell("PATH=/usr/bin:/bin; pwd; stat -c %a /closed /after; cd /closed 2>&- || echo closed", own, attr.MapRoot(), root)
		if out := spawntest.Output(t, s); out != "/\n700\n755\nclosed\n" {
			t.Errorf("%q", out)
		}
	})
}

// needUnmapped has a user namespace in which a directory is that of no user. Its files are "file"
// and a link to itself.
func needUnmapped(t *testing.T) (own attr.Namespaces, dir string) {
	t.Helper()
	testenv.NeedRoot(t)
	needNewRoot(t)
	own.Flags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS
	spawntest.NeedNamespaces(t, own.Flags)
	dir = testenv.PublicDir(t)
	closed := filepath.Join(dir, "closed")
	testenv.Write(t, filepath.Join(dir, "file"), "text", 0o644)
	err := errors.Join(os.Mkdir(closed, 0o700), os.WriteFile(filepath.Join(closed, "file"), nil, 0o644), os.Chown(closed, testenv.Nobody, testenv.Nobody),
		os.Symlink("loop", filepath.Join(dir, "loop")), os.Symlink("file", filepath.Join(dir, "link")), os.Symlink("closed", filepath.Join(dir, "to-closed")))
	if err != nil {
		t.Fatal(err)
	}
	return own, dir
}

// TestNewRootSources has sources that links lead to, and those that can't be reached.
func TestNewRootSources(t *testing.T) {
	own, dir := needUnmapped(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	root := append(programs(), attr.RootEntry{Path: "/file", Bind: in("link")}, attr.RootEntry{Path: "/closed", Bind: in("to-closed")})
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Shell("PATH=/usr/bin:/bin; stat -c '%F %a' /file /closed; cat /file", own, attr.MapRoot(), root)
		if out := spawntest.Output(t, s); out != "regular file 644\ndirectory 700\ntext" {
			t.Errorf("%q", out)
		}
	})
	var faults []spawntest.Fault
	for name, f := range map[string]struct {
		root         attr.NewRoot
		step, object string
		errno        syscall.Errno
	}{
		"beneath it":      {attr.NewRoot{{Path: "/x", Bind: in("closed/file")}}, "open_tree", in("closed/file"), unix.EACCES},
		"loop":            {attr.NewRoot{{Path: "/x", Bind: in("loop")}}, "open_tree", in("loop"), unix.ELOOP},
		"made beneath it": {attr.NewRoot{{Path: "/x", Bind: in("closed")}, {Path: "/x/y"}}, "mkdir", "/x/y", unix.EACCES},
		"it is the root":  {attr.NewRoot{{Path: "/", Bind: in("closed")}, {Path: "/y"}}, "new_root", in("closed") + " on /", unix.EACCES},
		"it is on a file": {attr.NewRoot{{Path: "/x", Bind: in("file")}, {Path: "/x", Bind: in("closed")}}, "mount", in("closed") + " on /x", unix.EINVAL},
		"a file is on it": {attr.NewRoot{{Path: "/x", Bind: in("closed")}, {Path: "/x", Bind: in("file")}}, "mount", in("file") + " on /x", unix.EINVAL},
	} {
		faults = append(faults, spawntest.Fault{Name: name, Spec: spawntest.Shell(":", own, f.root, attr.MapRoot()), Want: spawntest.Fails(f.step, 1, f.object, f.errno)})
	}
	spawntest.Try(t, faults)
}

// TestNewRootKindUnknown has the child not learn of which kind a source is.
func TestNewRootKindUnknown(t *testing.T) {
	needNewRoot(t)
	for _, errno := range []syscall.Errno{unix.EPERM, unix.EIO, unix.ENOSYS} {
		s := spawntest.Helper(t, "binds", testenv.PublicDir(t), "/x", strconv.Itoa(int(errno)))
		s.Attr = attr.List{attr.NoNewPrivs{}, spawntest.Refuse(errno, unix.SYS_FCHDIR)}
		if out := spawntest.Output(t, s); out != "" {
			t.Errorf("%v: %s", errno, out)
		}
	}
}

// It says how the error of a start is not of the errno, and of the mount.
var _ = testenv.RegisterHelper("binds", func(args []string) int {
	source, target := args[0], args[1]
	errno, err := strconv.Atoi(args[2])
	if err != nil {
		return testenv.Status(err)
	}
	own := attr.Namespaces{Flags: spawntest.WithUser(unix.CLONE_NEWNS)}
	want := spawntest.Fails("mount", 1, source+" on "+target, syscall.Errno(errno))
	_, err = spawn.Run(context.Background(), spawntest.Shell(":", own, attr.NewRoot{{Path: target, Bind: source}}))
	if how := want.Differs(err); how != "" {
		fmt.Printf("%v: %s\n", err, how)
	}
	return 0
})

// TestNewRootFaults has each step fail.
func TestNewRootFaults(t *testing.T) {
	own, maps := needNewRoot(t)
	dir := testenv.PublicDir(t)
	file := testenv.Write(t, filepath.Join(dir, "file"), "", 0o644)
	full := attr.RootEntry{Path: "/", FSType: "tmpfs", Data: "nr_inodes=2"}
	readOnly := attr.RootEntry{Path: "/", Bind: dir}
	var faults []spawntest.Fault
	for name, f := range map[string]struct {
		root         attr.NewRoot
		step, object string
		errno        syscall.Errno
	}{
		"no source":            {attr.NewRoot{{Path: "/x", Bind: "/no/such/file"}}, "open_tree", "/no/such/file", unix.ENOENT},
		"directory on file":    {attr.NewRoot{{Path: "/x", Bind: file}, {Path: "/x"}}, "mkdir", "/x", unix.ENOTDIR},
		"beneath a file":       {attr.NewRoot{{Path: "/x", Bind: file}, {Path: "/x/y/z"}}, "mkdir", "/x/y", unix.ENOTDIR},
		"link exists":          {attr.NewRoot{{Path: "/x"}, {Path: "/x", Symlink: "y"}}, "symlink", "/x", unix.EEXIST},
		"link to nowhere":      {attr.NewRoot{{Path: "/x", Symlink: "y"}, {Path: "/x", Bind: file}}, "mount", file + " on /x", unix.ENOENT},
		"loop":                 {attr.NewRoot{{Path: "/x", Symlink: "x"}, {Path: "/x/y"}}, "mkdir", "/x/y", unix.ELOOP},
		"no such type":         {attr.NewRoot{{Path: "/x", FSType: "no-such-type"}}, "mount", "no-such-type on /x", unix.ENODEV},
		"no such type of root": {attr.NewRoot{{Path: "/", FSType: "no-such-type"}}, "new_root", "no-such-type on /", unix.ENODEV},
		"bad options":          {attr.NewRoot{{Path: "/x", FSType: "tmpfs", Data: "size=nonsense"}}, "mount", "tmpfs on /x", unix.EINVAL},
		"full":                 {attr.NewRoot{full, {Path: "/x"}, {Path: "/y"}}, "mkdir", "/y", unix.ENOSPC},
		"full, for a link":     {attr.NewRoot{full, {Path: "/x"}, {Path: "/y", Symlink: "x"}}, "symlink", "/y", unix.ENOSPC},
		"read-only":            {attr.NewRoot{readOnly, {Path: "/x"}}, "mkdir", "/x", unix.EROFS},
		"read-only, a file":    {attr.NewRoot{readOnly, {Path: "/x", Bind: file}}, "mkdir", "/x", unix.EROFS},
	} {
		faults = append(faults, spawntest.Fault{Name: name, Spec: spawntest.Shell(":", append(attr.List{own, f.root}, maps...)...), Want: spawntest.Fails(f.step, 1, f.object, f.errno)})
	}
	spawntest.Try(t, faults)
}

// TestNewRootMistakes has Compile refuse what makes no sense.
func TestNewRootMistakes(t *testing.T) {
	own := attr.Namespaces{Flags: unix.CLONE_NEWNS}
	for i, list := range []attr.List{
		{attr.NewRoot{{Path: "/x"}}},
		{own, attr.NewRoot{}},
		{own, attr.NewRoot{{Path: "/x"}}, attr.Chroot("/")},
		{own, attr.NewRoot{{}}},
		{own, attr.NewRoot{{Path: "x"}}},
		{own, attr.NewRoot{{Path: "/x/../y"}}},
		{own, attr.NewRoot{{Path: "/x\x00"}}},
		{own, attr.NewRoot{{Path: "/"}}},
		{own, attr.NewRoot{{Path: "/", Symlink: "x"}}},
		{own, attr.NewRoot{{Path: "/x"}, {Path: "//", FSType: "tmpfs"}}},
		{own, attr.NewRoot{{Path: "/x", Bind: "/", FSType: "tmpfs"}}},
		{own, attr.NewRoot{{Path: "/x", Bind: "/", Perm: 0o755}}},
		{own, attr.NewRoot{{Path: "/x", Perm: os.ModeSetuid}}},
		{own, attr.NewRoot{{Path: "/x", Writable: true}}},
		{own, attr.NewRoot{{Path: "/x", FSType: "tmpfs", Devices: true}}},
		{own, attr.NewRoot{{Path: "/x", Bind: "/", Data: "ro"}}},
		{own, attr.NewRoot{{Path: "/x", FSType: "tmpfs", Data: strings.Repeat("x", os.Getpagesize())}}},
		{own, attr.NewRoot{{Path: "/x", Symlink: strings.Repeat("x", 4096)}}},
		{own, attr.NewRoot{{Path: "/x", Symlink: "a\x00b"}}},
		{own, attr.NewRoot{{Path: "/" + strings.Repeat("x", 4096)}}},
	} {
		var e *spawn.Error
		if _, err := spawn.Compile(spawntest.Shell(":", list...)); !errors.Is(err, unix.EINVAL) || !errors.As(err, &e) {
			t.Errorf("%d: %v", i, err)
		}
	}
}
