//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// nobody is a user without any privilege.
const nobody = 65534

// publicDir is a directory that any user can search.
func publicDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "spawn-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// unprivileged are tests that run in a process without privilege. They return
// what is wrong, and get a directory that they can write to.
var unprivileged = map[string]func(dir string) error{}

var _ = registerHelper("unprivileged", func(args []string) int {
	if err := unprivileged[args[0]](args[1]); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

// asUser runs one of unprivileged, as nobody where this process is root.
func asUser(t *testing.T, name string) {
	t.Helper()
	s, dir := helper(t, "unprivileged"), publicDir(t)
	if os.Geteuid() == 0 {
		runByNobody(t, s)
		if err := os.Chown(dir, nobody, nobody); err != nil {
			t.Fatal(err)
		}
	}
	s.Args = append(s.Args, name, dir)
	succeeds(t, s)
}

// runByNobody puts the test binary where nobody can run it, and has nobody do so.
func runByNobody(t testing.TB, s *spawn.Spec) {
	t.Helper()
	forAnybody(t, s)
	s.Attr = append(s.Attr, attr.Credential{UID: nobody, GID: nobody})
}

// forAnybody puts the test binary where anybody can run it.
func forAnybody(t testing.TB, s *spawn.Spec) {
	t.Helper()
	s.Path = filepath.Join(publicDir(t), "test")
	binary, err := os.ReadFile(testBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	write(t, s.Path, string(binary), 0o755)
}

// succeeds wants a status of 0, else what was printed is why.
func succeeds(t testing.TB, s *spawn.Spec) {
	t.Helper()
	out, state, err := tryOutput(s)
	if err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, out)
	}
}

// eachEngineError is eachEngine outside of the test process.
func eachEngineError(f func(engine string) error) error {
	for name, change := range spawn.Without {
		restore := spawn.Force(change)
		err := f(name)
		restore()
		if err != nil {
			return fmt.Errorf("without %s: %w", name, err)
		}
	}
	return nil
}

func TestWithoutPrivilege(t *testing.T) {
	for name := range unprivileged {
		t.Run(name, func(t *testing.T) { asUser(t, name) })
	}
}

func init() {
	unprivileged["faults"] = userFaults
	unprivileged["own ids"] = ownIDs
	unprivileged["too many processes"] = tooManyProcesses
	unprivileged["search permission"] = searchPermission
}

// userFaults is what a user is not allowed to do.
func userFaults(dir string) error {
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	secret := filepath.Join(dir, "secret")
	if err := os.WriteFile(secret, nil, 0); err != nil {
		return err
	}
	eperm, eacces := []syscall.Errno{unix.EPERM}, []syscall.Errno{unix.EACCES}
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &l); err != nil {
		return err
	}
	l.Cur, l.Max = min(l.Cur, l.Max-1), l.Max-1
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &l); err != nil {
		return err
	}
	rlimit := attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: l.Cur, Hard: l.Max + 1}
	open := &spawn.Spec{Path: "/bin/true"}
	open.Actions.Open(5, secret, os.O_RDONLY, 0)
	faults := []fault{
		{"open", open, want{"open", 0, secret, eacces}},
		{"rlimit", nil, want{"rlimit", 1, fmt.Sprintf("RLIMIT_NPROC soft=%d hard=%d", rlimit.Soft, rlimit.Hard), eperm}},
		{"nice", nil, want{"nice", 1, "-20", eacces}},
		{"setgroups", nil, want{"setgroups", 1, "[]", eperm}},
		{"some groups", nil, want{"setgroups", 1, "[1 2]", eperm}},
		{"setresgid", nil, want{"setresgid", 1, itoa(int(gid) - 1), eperm}},
		{"setresuid", nil, want{"setresuid", 1, itoa(int(uid) - 1), eperm}},
		{"chroot", nil, want{"chroot", 1, "/", eperm}},
	}
	for i, a := range []attr.Attr{
		rlimit, attr.Nice(-20),
		attr.Credential{UID: uid, GID: gid, Root: true}, attr.Credential{UID: uid, GID: gid, Groups: []uint32{1, 2}, Root: true},
		attr.Credential{UID: uid, GID: gid - 1, KeepGroups: true, Root: true},
		attr.Credential{UID: uid - 1, GID: gid, KeepGroups: true, Root: true},
		attr.Chroot("/"),
	} {
		faults[i+1].spec = &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.NoNewPrivs{}, a}}
	}
	return eachEngineError(func(string) error {
		for _, f := range faults {
			_, err := spawn.Start(context.Background(), f.spec)
			if how := f.want.differs(err); how != "" {
				return fmt.Errorf("%s: %w: %s; want %+v", f.name, err, how, f.want)
			}
			if hasZombie() {
				return errors.New(f.name + ": a zombie")
			}
		}
		return nil
	})
}

// ownIDs sets the ids that the process has anyway.
func ownIDs(string) error {
	uid, gid := os.Getuid(), os.Getgid()
	return eachEngineError(func(string) error {
		for _, a := range []attr.Attr{
			attr.Credential{UID: uint32(uid), GID: uint32(gid), KeepGroups: true, Root: true},
			attr.ResetIDs{},
		} {
			s := &spawn.Spec{Path: "/bin/cat", Args: []string{"cat", "/proc/self/status"}, Attr: attr.List{a}}
			out, _, err := tryOutput(s)
			if err != nil {
				return err
			}
			if err := parseSeen(out).hasIDs(uid, gid); err != nil {
				return err
			}
		}
		return nil
	})
}

// hasIDs compares real, effective, saved and filesystem ids.
func (s seen) hasIDs(uid, gid int) error {
	four := func(id int) string { return strings.TrimSuffix(strings.Repeat(itoa(id)+"\t", 4), "\t") }
	if s.status["Uid"] != four(uid) || s.status["Gid"] != four(gid) {
		return fmt.Errorf("uid %q, gid %q; want %d, %d", s.status["Uid"], s.status["Gid"], uid, gid)
	}
	return nil
}

// tooManyProcesses lowers the limit below what the user has already.
func tooManyProcesses(string) error {
	p, err := spawn.Compile(&spawn.Spec{Path: "/bin/true"})
	if err != nil {
		return err
	}
	idleThreads()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &was); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1, Max: was.Max}); err != nil {
		return err
	}
	_, err = p.Start(context.Background())
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &was); err != nil {
		return err
	}
	w := want{"clone", -1, "", []syscall.Errno{unix.EAGAIN}}
	if how := w.differs(err); how != "" {
		return fmt.Errorf("%w: %s", err, how)
	}
	return nil
}

// idleThreads leaves the runtime threads in stock, so that it need not make one
// where none can be made.
func idleThreads() {
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() { _ = unix.Nanosleep(&unix.Timespec{Nsec: 20_000_000}, nil) })
	}
	wg.Wait()
}

// searchPermission is about a program in a directory that can't be searched, and
// one that others may run only.
func searchPermission(dir string) error {
	path := filepath.Join(dir, "closed", "program")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Dir(path), 0o600); err != nil {
		return err
	}
	return eachEngineError(func(string) error {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: path})
		w := want{"execve", -1, path, []syscall.Errno{unix.EACCES}}
		if how := w.differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		return nil
	})
}

func TestCredential(t *testing.T) {
	needRoot(t)
	own, err := os.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(own)
	tests := []struct {
		name   string
		cred   attr.Credential
		groups string
	}{
		{"no groups", attr.Credential{UID: nobody, GID: 1234}, ""},
		{"empty groups", attr.Credential{UID: nobody, GID: 1234, Groups: []uint32{}}, ""},
		{"some groups", attr.Credential{UID: nobody, GID: 1234, Groups: []uint32{300, 100, 200}}, "100 200 300"},
		{"kept groups", attr.Credential{UID: nobody, GID: 1234, KeepGroups: true}, strings.Trim(fmt.Sprint(own), "[]")},
	}
	eachEngine(t, func(t *testing.T) {
		for _, test := range tests {
			s := seenWith(t, test.cred)
			if err := s.hasIDs(nobody, 1234); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if s.status["Groups"] != test.groups {
				t.Errorf("%s: groups %q, want %q", test.name, s.status["Groups"], test.groups)
			}
			if caps := strings.Trim(s.status["CapEff"], "0"); caps != "" {
				t.Errorf("%s: capabilities %s", test.name, caps)
			}
		}
	})
}

// TestResetIDs has a thread as a set-user-ID program would be.
func TestResetIDs(t *testing.T) {
	needRoot(t)
	eachEngine(t, func(t *testing.T) {
		onThread(func() {
			_, _, e1 := unix.RawSyscall(unix.SYS_SETRESGID, 1234, 0, 0)
			_, _, e2 := unix.RawSyscall(unix.SYS_SETRESUID, nobody, 0, 0)
			if e1 != 0 || e2 != 0 {
				t.Errorf("%v, %v", e1, e2)
				return
			}
			out, _, err := tryOutput(catSpec(t, attr.ResetIDs{}))
			if err != nil {
				t.Error(err)
				return
			}
			if err := parseSeen(out).hasIDs(nobody, 1234); err != nil {
				t.Error(err)
			}
		})
	})
}

// TestChroot wants the program, the working directory and the file actions to
// be inside.
func TestChroot(t *testing.T) {
	needRoot(t)
	root := t.TempDir()
	program(t, filepath.Join(root, "only-inside"), 42)
	eachEngine(t, func(t *testing.T) {
		for _, path := range []string{"/only-inside", "only-inside"} {
			s := &spawn.Spec{Path: path, Attr: attr.List{attr.Credential{UID: 0, GID: 0, Root: true}, attr.Chroot(root)}}
			s.Actions.Open(5, "made", os.O_CREATE|os.O_WRONLY, 0o600)
			s.Actions.Open(6, "/made", os.O_RDONLY, 0)
			state, err := spawn.Run(context.Background(), s)
			if err != nil || state.ExitCode() != 42 {
				t.Errorf("%v, %v", state, err)
			}
			if err := os.Remove(filepath.Join(root, "made")); err != nil {
				t.Error(err)
			}
		}
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/sh", Attr: attr.List{attr.Chroot(root)}})
		checkFault(t, err, want{"execve", -1, "/bin/sh", []syscall.Errno{unix.ENOENT}})
	})
}

// newCgroup makes a cgroup, and skips the test where none can be made.
func newCgroup(t testing.TB) (dir *os.File, name string) {
	t.Helper()
	needRoot(t)
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(mounts) {
		before, after, _ := strings.Cut(string(line), " - ")
		f := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(f) < 5 {
			continue
		}
		path, err := os.MkdirTemp(f[4], "spawn-test-")
		if err != nil {
			skip(t, "no cgroup can be made: "+err.Error())
		}
		t.Cleanup(func() { removeCgroup(t, path) })
		dir, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dir.Close() })
		return dir, "/" + filepath.Base(path)
	}
	skip(t, "no cgroup v2")
	return nil, ""
}

// removeCgroup waits for the kernel to notice that it is empty.
func removeCgroup(t testing.TB, path string) {
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		err := os.Remove(path)
		if err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			t.Error(err)
			return
		}
	}
}

func TestCgroup(t *testing.T) {
	dir, name := newCgroup(t)
	eachEngine(t, func(t *testing.T) {
		s := catSpec(t, attr.Cgroup{Dir: dir})
		if got := parseSeen(output(t, s)).cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("cgroup %q, want %q", got, name)
		}
		s.Actions.InheritAll()
		if got := parseSeen(output(t, s)).cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("with all descriptors: cgroup %q, want %q", got, name)
		}
		if got := parseSeen(output(t, shell("cat /proc/self/cgroup; :", attr.Cgroup{Dir: dir}))).cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("the child's child: cgroup %q, want %q", got, name)
		}
	})
}

func TestRemovedCgroup(t *testing.T) {
	dir, _ := newCgroup(t)
	removeCgroup(t, dir.Name())
	try(t, []fault{{"removed", catSpec(t, attr.NoNewPrivs{}, attr.Cgroup{Dir: dir}),
		want{"cgroup", 1, dir.Name(), []syscall.Errno{unix.ENODEV, unix.ENOENT}}}})
}
