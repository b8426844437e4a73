//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"strconv"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func TestWithoutPrivilege(t *testing.T) { spawntest.TestUnprivileged(t) }

func init() {
	spawntest.Unprivileged("faults", userFaults)
	spawntest.Unprivileged("own ids", ownIDs)
	spawntest.Unprivileged("too many processes", tooManyProcesses)
	spawntest.Unprivileged("search permission", searchPermission)
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
	faults := []spawntest.Fault{
		{Name: "open", Spec: open, Want: spawntest.Fails("open", 0, secret, eacces...)},
		{Name: "rlimit", Spec: nil, Want: spawntest.Fails("rlimit", 1, fmt.Sprintf("RLIMIT_NPROC soft=%d hard=%d", rlimit.Soft, rlimit.Hard), eperm...)},
		{Name: "nice", Spec: nil, Want: spawntest.Fails("nice", 1, "-20", eacces...)},
		{Name: "setgroups", Spec: nil, Want: spawntest.Fails("setgroups", 1, "[]", eperm...)},
		{Name: "some groups", Spec: nil, Want: spawntest.Fails("setgroups", 1, "[1 2]", eperm...)},
		{Name: "setresgid", Spec: nil, Want: spawntest.Fails("setresgid", 1, strconv.Itoa(int(gid)-1), eperm...)},
		{Name: "setresuid", Spec: nil, Want: spawntest.Fails("setresuid", 1, strconv.Itoa(int(uid)-1), eperm...)},
		{Name: "chroot", Spec: nil, Want: spawntest.Fails("chroot", 1, "/", eperm...)},
	}
	for i, a := range []attr.Attr{
		rlimit, attr.Nice(-20),
		attr.Credential{UID: uid, GID: gid, Root: true}, attr.Credential{UID: uid, GID: gid, Groups: []uint32{1, 2}, Root: true},
		attr.Credential{UID: uid, GID: gid - 1, KeepGroups: true, Root: true},
		attr.Credential{UID: uid - 1, GID: gid, KeepGroups: true, Root: true},
		attr.Chroot("/"),
	} {
		faults[i+1].Spec = &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.NoNewPrivs{}, a}}
	}
	return spawntest.EachEngineError(func(string) error {
		for _, f := range faults {
			_, err := spawn.Start(context.Background(), f.Spec)
			if how := f.Want.Differs(err); how != "" {
				return fmt.Errorf("%s: %w: %s; want %+v", f.Name, err, how, f.Want)
			}
			if testenv.HasZombie() {
				return errors.New(f.Name + ": a zombie")
			}
		}
		return nil
	})
}

// ownIDs sets the ids that the process has anyway.
func ownIDs(string) error {
	uid, gid := uint32(os.Getuid()), uint32(os.Getgid())
	return spawntest.EachEngineError(func(string) error {
		for _, a := range []attr.Attr{
			attr.Credential{UID: uid, GID: gid, KeepGroups: true, Root: true},
			attr.ResetIDs{},
		} {
			s := &spawn.Spec{Path: "/bin/cat", Args: []string{"cat", "/proc/self/status"}, Attr: attr.List{a}}
			out, _, err := spawntest.TryOutput(s)
			if err != nil {
				return err
			}
			if err := testenv.ParseSeen(out).HasIDs(uid, gid); err != nil {
				return err
			}
		}
		return nil
	})
}

// tooManyProcesses wants an error where the user has more than the limit already.
func tooManyProcesses(string) error {
	err := spawntest.StartAtLimit()
	w := spawntest.Fails("clone", -1, "", unix.EAGAIN)
	if how := w.Differs(err); how != "" {
		return fmt.Errorf("%w: %s", err, how)
	}
	return nil
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
	return spawntest.EachEngineError(func(string) error {
		_, err := spawn.Start(context.Background(), &spawn.Spec{Path: path})
		w := spawntest.Fails("execve", -1, path, unix.EACCES)
		if how := w.Differs(err); how != "" {
			return fmt.Errorf("%w: %s", err, how)
		}
		return nil
	})
}

func TestCredential(t *testing.T) {
	testenv.NeedRoot(t)
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
		{"no groups", attr.Credential{UID: testenv.Nobody, GID: 1234}, ""},
		{"empty groups", attr.Credential{UID: testenv.Nobody, GID: 1234, Groups: []uint32{}}, ""},
		{"some groups", attr.Credential{UID: testenv.Nobody, GID: 1234, Groups: []uint32{300, 100, 200}}, "100 200 300"},
		{"kept groups", attr.Credential{UID: testenv.Nobody, GID: 1234, KeepGroups: true}, strings.Trim(fmt.Sprint(own), "[]")},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, test := range tests {
			s := spawntest.SeenWith(t, test.cred)
			if err := s.HasIDs(testenv.Nobody, 1234); err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			if s.Status["Groups"] != test.groups {
				t.Errorf("%s: groups %q, want %q", test.name, s.Status["Groups"], test.groups)
			}
			if caps := strings.Trim(s.Status["CapEff"], "0"); caps != "" {
				t.Errorf("%s: capabilities %s", test.name, caps)
			}
		}
	})
}

// TestResetIDs has a thread as a set-user-ID program would be.
func TestResetIDs(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		checkResetIDs(t, testenv.Nobody, 1234)
		checkResetIDs(t, 1<<32-2, 1<<32-3) // with words of 32 bits they look like errors
	})
}

func checkResetIDs(t *testing.T, uid, gid uint32) {
	t.Helper()
	testenv.OnThread(func() {
		_, _, e1 := unix.RawSyscall(uintptr(raw.Setresgid.Number()), uintptr(gid), 0, 0)
		_, _, e2 := unix.RawSyscall(uintptr(raw.Setresuid.Number()), uintptr(uid), 0, 0)
		if e1 != 0 || e2 != 0 {
			t.Errorf("%v, %v", e1, e2)
			return
		}
		out, _, err := spawntest.TryOutput(spawntest.Cat(t, attr.ResetIDs{}))
		if err != nil {
			t.Error(err)
			return
		}
		if err := testenv.ParseSeen(out).HasIDs(uid, gid); err != nil {
			t.Error(err)
		}
	})
}

// TestChroot wants the program, the working directory and the file actions to
// be inside.
func TestChroot(t *testing.T) {
	testenv.NeedCall(t, "chroot", unix.SYS_CHROOT)
	testenv.NeedRoot(t)
	root := t.TempDir()
	testenv.Program(t, filepath.Join(root, "only-inside"), 42)
	spawntest.EachEngine(t, func(t *testing.T) {
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
		spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, "/bin/sh", unix.ENOENT))
	})
}

func TestCgroup(t *testing.T) {
	dir, name := testenv.NewCgroup(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.Cat(t, attr.Cgroup{Dir: dir})
		if got := testenv.ParseSeen(spawntest.Output(t, s)).Cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("cgroup %q, want %q", got, name)
		}
		s.Actions.InheritAll()
		if got := testenv.ParseSeen(spawntest.Output(t, s)).Cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("with all descriptors: cgroup %q, want %q", got, name)
		}
		if got := testenv.ParseSeen(spawntest.Output(t, spawntest.Shell("cat /proc/self/cgroup; :", attr.Cgroup{Dir: dir}))).Cgroup; !strings.HasSuffix(got, name) {
			t.Errorf("the child's child: cgroup %q, want %q", got, name)
		}
	})
}

// TestCgroupIsRoot wants the cgroup of the child to be the root of its cgroup namespace.
func TestCgroupIsRoot(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWCGROUP)
	dir, _ := testenv.NewCgroup(t)
	for _, own := range []attr.Attr{attr.Namespaces{Flags: unix.CLONE_NEWCGROUP}, attr.Unshare{Flags: unix.CLONE_NEWCGROUP}} {
		spawntest.EachEngine(t, func(t *testing.T) {
			s := spawntest.Cat(t, attr.Cgroup{Dir: dir}, own)
			if got := testenv.ParseSeen(spawntest.Output(t, s)).Cgroup; got != "/" {
				t.Errorf("%T: in %q", own, got)
			}
		})
	}
}

func TestRemovedCgroup(t *testing.T) {
	dir, _ := testenv.NewCgroup(t)
	testenv.RemoveCgroup(t, dir.Name())
	spawntest.Try(t, []spawntest.Fault{{Name: "removed", Spec: spawntest.Cat(t, attr.NoNewPrivs{}, attr.Cgroup{Dir: dir}),
		Want: spawntest.Fails("cgroup", 1, dir.Name(), unix.ENODEV, unix.ENOENT)}})
}
