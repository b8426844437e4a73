//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// makeFault is a fault of an action, whose index is 1.
func makeFault(t *testing.T, step, object string, errno syscall.Errno, add func(a *spawn.FileActions)) spawntest.Fault {
	s := spawntest.Cat(t)
	s.Actions.Chdir("/")
	add(&s.Actions)
	return spawntest.Fault{Name: step + " " + object, Spec: s, Want: spawntest.Fails(step, 1, object, errno)}
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	file := testenv.Write(t, in("file"), "", 0o600)
	if err := errors.Join(os.Symlink("loop", in("loop")), unix.Mkfifo(in("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var faults []spawntest.Fault
	for _, f := range []struct {
		path  string
		flag  int
		errno syscall.Errno
	}{
		{in("missing"), os.O_RDONLY, unix.ENOENT},
		{in("missing/too"), os.O_RDWR | os.O_CREATE, unix.ENOENT},
		{dir, os.O_WRONLY, unix.EISDIR},
		{in("loop"), os.O_RDONLY, unix.ELOOP},
		{in("file/x"), os.O_RDONLY, unix.ENOTDIR},
		{in(strings.Repeat("n", 256)), os.O_RDONLY, unix.ENAMETOOLONG},
		{file, os.O_CREATE | os.O_EXCL | os.O_WRONLY, unix.EEXIST},
		{in("fifo"), os.O_WRONLY | unix.O_NONBLOCK, unix.ENXIO},
	} {
		faults = append(faults, makeFault(t, "open", f.path, f.errno, func(a *spawn.FileActions) {
			a.Open(7, f.path, f.flag, 0o600)
		}))
	}
	faults = append(faults, makeFault(t, "openat", "x", unix.ENOTDIR, func(a *spawn.FileActions) {
		a.OpenAt(7, 0, "x", os.O_RDONLY, 0)
		if _, err := os.Stat("/proc/self/fd/0/"); err == nil {
			t.Fatal("standard input is a directory")
		}
	}))
	spawntest.Try(t, faults)
}

func TestDescriptorFaults(t *testing.T) {
	testenv.NeedCall(t, "openat2", unix.SYS_OPENAT2)
	file, err := os.Open(testenv.Write(t, filepath.Join(t.TempDir(), "file"), "", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	spawntest.Try(t, []spawntest.Fault{
		makeFault(t, "dup2", "fd 999 to 5", unix.EBADF, func(a *spawn.FileActions) { a.Dup2(999, 5) }),
		makeFault(t, "dup2", "fd 999 to 999", unix.EBADF, func(a *spawn.FileActions) { a.Dup2(999, 999) }),
		makeFault(t, "inherit", "fd 999", unix.EBADF, func(a *spawn.FileActions) { a.Inherit(999) }),
		makeFault(t, "fchdir", "fd 999", unix.EBADF, func(a *spawn.FileActions) { a.Fchdir(999) }),
		makeFault(t, "openat", "x", unix.EBADF, func(a *spawn.FileActions) { a.OpenAt(3, 999, "x", 0, 0) }),
		makeFault(t, "openat2", "x", unix.EBADF, func(a *spawn.FileActions) { a.OpenAt2(3, 999, "x", 0, 0, 0) }),
		makeFault(t, "openat2", "/", unix.EXDEV, func(a *spawn.FileActions) { a.OpenAt2(3, unix.AT_FDCWD, "/", 0, 0, unix.RESOLVE_BENEATH) }),
		makeFault(t, "openat2", "/", unix.EINVAL, func(a *spawn.FileActions) { a.OpenAt2(3, unix.AT_FDCWD, "/", 0, 0, 1<<63) }),
		makeFault(t, "mkdir", "/", unix.EEXIST, func(a *spawn.FileActions) { a.Mkdir("/", 0) }),
		makeFault(t, "symlink", "/missing/x", unix.ENOENT, func(a *spawn.FileActions) { a.Symlink("x", "/missing/x") }),
		makeFault(t, "chdir", "/missing/x", unix.ENOENT, func(a *spawn.FileActions) { a.Chdir("/missing/x") }),
		makeFault(t, "chdir", file.Name(), unix.ENOTDIR, func(a *spawn.FileActions) { a.Chdir(file.Name()) }),
		{Name: "fchdir", Spec: spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.File(file, 9); a.Fchdir(9) }),
			Want: spawntest.Fails("fchdir", 1, "fd 9", unix.ENOTDIR)},
		{Name: "tcsetpgrp", Spec: spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.File(file, 9); a.Tcsetpgrp(9) }),
			Want: spawntest.Fails("tcsetpgrp", 1, "fd 9", unix.ENOTTY)},
		{Name: "ctty", Spec: spawntest.Cat(t, attr.Setsid{}, attr.ControllingTTY{File: file}),
			Want: spawntest.Fails("ctty", 1, file.Name(), unix.ENOTTY)},
	})
	s := spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.File(closed, 0) })
	if _, err := spawn.Start(context.Background(), s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file: %v", err)
	}
}

func TestAttributeFaults(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	other, end := spawntest.LiveChild(t, attr.Setsid{})
	defer end()
	missing := filepath.Join(dir.Name(), "missing")
	noRoot := unix.ENOENT
	if testenv.Lacks(unix.SYS_CHROOT) {
		noRoot = unix.EPERM
	}
	spawntest.Try(t, []spawntest.Fault{
		{Name: "group of another session", Spec: spawntest.Cat(t, attr.Nice(19), attr.Setpgid{Pgid: other.Pid()}),
			Want: spawntest.Fails("setpgid", 1, strconv.Itoa(other.Pid()), unix.EPERM)},
		{Name: "no such group", Spec: spawntest.Cat(t, attr.Setpgid{Pgid: math.MaxInt32}),
			Want: spawntest.Fails("setpgid", 0, strconv.Itoa(math.MaxInt32), unix.EPERM, unix.ESRCH)},
		{Name: "not a cgroup", Spec: spawntest.Cat(t, attr.Cgroup{Dir: dir}),
			Want: spawntest.Fails("cgroup", 0, dir.Name(), unix.EBADF)},
		{Name: "no such root", Spec: spawntest.Cat(t, attr.Umask(0), attr.Chroot(missing)),
			Want: spawntest.Fails("chroot", 1, missing, noRoot)},
	})
}

// TestNoDescriptorLeft is about the pidfd and the pipe of failure records.
func TestNoDescriptorLeft(t *testing.T) {
	spawntest.NeedPidfd(t)
	spawntest.Output(t, spawntest.Helper(t, "no descriptor left"))
}

var _ = testenv.RegisterHelper("no descriptor left", func([]string) int {
	for name, change := range spawntest.Without {
		restore := kernel.ForTest(change)
		w := spawntest.Fails("clone", -1, "", unix.EMFILE)
		switch name {
		case "pidfd":
			w = spawntest.Want{}
		case "shared_memory", "anything":
			w = spawntest.Fails("pipe", -1, "", w.Errnos...)
		}
		err := startWithoutDescriptors()
		restore()
		if how := w.Differs(err); how != "" && (err != nil || w.Step != "") {
			println(name, how)
			return 1
		}
	}
	return 0
})

func startWithoutDescriptors() error {
	p, err := spawn.Compile(&spawn.Spec{Path: "/bin/true"})
	if err != nil {
		return err
	}
	restore, err := noDescriptors()
	if err != nil {
		return err
	}
	defer restore()
	proc, err := p.Start(context.Background())
	if err != nil {
		return err
	}
	_, err = proc.Wait(context.Background())
	return err
}
