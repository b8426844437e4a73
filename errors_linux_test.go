//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// want is what an error has to say. Any of the errnos will do: they differ with
// the fallback that was taken.
type want struct {
	step   string
	index  int
	object string
	errnos []syscall.Errno
}

// differs says how err is not what is wanted.
func (w want) differs(err error) string {
	var e *spawn.Error
	if !errors.As(err, &e) {
		return "not an *Error"
	}
	switch {
	case e.Step != w.step:
		return "step " + e.Step
	case e.Index != w.index:
		return "wrong index"
	case e.Object != w.object:
		return "object " + e.Object
	case !slices.ContainsFunc(w.errnos, func(n syscall.Errno) bool { return errors.Is(err, n) }):
		return "wrong errno"
	case e.Path == "":
		return "no path"
	case (e.Part == spawn.PartSpec || e.Part == spawn.PartStart) != (e.Index < 0) || e.Part == 0:
		return "part " + e.Part.String()
	}
	return ""
}

func checkFault(t testing.TB, err error, w want) {
	t.Helper()
	if how := w.differs(err); how != "" {
		t.Errorf("%v (%#v): %s; want %+v", err, err, how, w)
	}
}

// fault is a Spec that can't be started.
type fault struct {
	name string
	spec *spawn.Spec
	want want
}

// try starts all of them and wants nothing left behind.
func try(t *testing.T, faults []fault) {
	t.Helper()
	eachEngine(t, func(t *testing.T) {
		before := inventory{fds: openFDs()}
		for _, f := range faults {
			p, err := spawn.Start(context.Background(), f.spec)
			if p != nil {
				t.Fatalf("%s: it runs", f.name)
			}
			if how := f.want.differs(err); how != "" {
				t.Errorf("%s: %v (%#v): %s; want %+v", f.name, err, err, how, f.want)
			}
		}
		checkLeft(t, before)
	})
}

// checkLeft wants no more descriptors than before, and no zombies. Children that
// live are another matter.
func checkLeft(t testing.TB, before inventory) {
	t.Helper()
	now := inventory{fds: openFDs()}
	for _, leak := range now.leaks(before) {
		t.Error("left behind:", leak)
	}
	for deadline := time.Now().Add(2 * time.Second); hasZombie(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Error("left behind: a zombie")
			return
		}
	}
}

func hasZombie() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// makeFault is a fault of an action, whose index is 1.
func makeFault(t *testing.T, step, object string, errno syscall.Errno, add func(a *spawn.FileActions)) fault {
	s := catSpec(t)
	s.Actions.Chdir("/")
	add(&s.Actions)
	return fault{step + " " + object, s, want{step, 1, object, []syscall.Errno{errno}}}
}

func write(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOpenFaults(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	file := write(t, in("file"), "", 0o600)
	if err := errors.Join(os.Symlink("loop", in("loop")), unix.Mkfifo(in("fifo"), 0o600)); err != nil {
		t.Fatal(err)
	}
	var faults []fault
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
	try(t, faults)
}

func TestDescriptorFaults(t *testing.T) {
	file, err := os.Open(write(t, filepath.Join(t.TempDir(), "file"), "", 0o600))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	closed, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	try(t, []fault{
		makeFault(t, "dup2", "fd 999 to 5", unix.EBADF, func(a *spawn.FileActions) { a.Dup2(999, 5) }),
		makeFault(t, "dup2", "fd 999 to 999", unix.EBADF, func(a *spawn.FileActions) { a.Dup2(999, 999) }),
		makeFault(t, "inherit", "fd 999", unix.EBADF, func(a *spawn.FileActions) { a.Inherit(999) }),
		makeFault(t, "fchdir", "fd 999", unix.EBADF, func(a *spawn.FileActions) { a.Fchdir(999) }),
		makeFault(t, "openat", "x", unix.EBADF, func(a *spawn.FileActions) { a.OpenAt(3, 999, "x", 0, 0) }),
		makeFault(t, "chdir", "/missing/x", unix.ENOENT, func(a *spawn.FileActions) { a.Chdir("/missing/x") }),
		makeFault(t, "chdir", file.Name(), unix.ENOTDIR, func(a *spawn.FileActions) { a.Chdir(file.Name()) }),
		{"fchdir", withActions(catSpec(t), func(a *spawn.FileActions) { a.File(file, 9); a.Fchdir(9) }),
			want{"fchdir", 1, "fd 9", []syscall.Errno{unix.ENOTDIR}}},
		{"tcsetpgrp", withActions(catSpec(t), func(a *spawn.FileActions) { a.File(file, 9); a.Tcsetpgrp(9) }),
			want{"tcsetpgrp", 1, "fd 9", []syscall.Errno{unix.ENOTTY}}},
		{"ctty", catSpec(t, attr.Setsid{}, attr.ControllingTTY{File: file}),
			want{"ctty", 1, file.Name(), []syscall.Errno{unix.ENOTTY}}},
	})
	s := withActions(catSpec(t), func(a *spawn.FileActions) { a.File(closed, 0) })
	if _, err := spawn.Start(context.Background(), s); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a closed file: %v", err)
	}
}

func withActions(s *spawn.Spec, add func(a *spawn.FileActions)) *spawn.Spec {
	add(&s.Actions)
	return s
}

func TestAttributeFaults(t *testing.T) {
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	other, end := liveChild(t, attr.Setsid{})
	defer end()
	missing := filepath.Join(dir.Name(), "missing")
	try(t, []fault{
		{"group of another session", catSpec(t, attr.Nice(19), attr.Setpgid{Pgid: other.Pid()}),
			want{"setpgid", 1, itoa(other.Pid()), []syscall.Errno{unix.EPERM}}},
		{"no such group", catSpec(t, attr.Setpgid{Pgid: math.MaxInt32}),
			want{"setpgid", 0, itoa(math.MaxInt32), []syscall.Errno{unix.EPERM, unix.ESRCH}}},
		{"not a cgroup", catSpec(t, attr.Cgroup{Dir: dir}),
			want{"cgroup", 0, dir.Name(), []syscall.Errno{unix.EBADF}}},
		{"no such root", catSpec(t, attr.Umask(0), attr.Chroot(missing)),
			want{"chroot", 1, missing, []syscall.Errno{unix.ENOENT}}},
	})
}

// TestNoDescriptorLeft is about the pidfd and the pipe of failure records.
func TestNoDescriptorLeft(t *testing.T) {
	output(t, helper(t, "no descriptor left"))
}

var _ = registerHelper("no descriptor left", func([]string) int {
	for name, change := range spawn.Without {
		restore := spawn.Force(change)
		w := want{"clone", -1, "", []syscall.Errno{unix.EMFILE}}
		switch name {
		case "pidfd":
			w = want{}
		case "shared_memory", "anything":
			w = want{"pipe", -1, "", w.errnos}
		}
		err := startWithoutDescriptors()
		restore()
		if how := w.differs(err); how != "" && (err != nil || w.step != "") {
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
	lowest, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	unix.Close(lowest)
	was := unix.Rlimit{}
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &was)
	_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(lowest), Max: was.Max})
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &was) }()
	proc, err := p.Start(context.Background())
	if err != nil {
		return err
	}
	_, err = proc.Wait(context.Background())
	return err
}
