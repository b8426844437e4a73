//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// mappedRoot are namespaces in which a child is root, whoever starts it.
func mappedRoot(flags uint) attr.List {
	one := func(id int) []attr.IDMapEntry { return []attr.IDMapEntry{{HostID: id, Size: 1}} }
	return attr.List{
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | flags}, attr.IDMap{UID: one(os.Getuid()), GID: one(os.Getgid())},
	}
}

// asMappedRoot runs a helper in namespaces of its own.
func asMappedRoot(t *testing.T, name string, flags uint, args ...string) {
	t.Helper()
	s := spawntest.Helper(t, name, args...)
	if !mayMount(t) {
		testenv.Skip(t, "no user namespaces")
	}
	s.Attr = mappedRoot(flags)
	spawntest.Succeeds(t, s)
}

// tells runs the checks of a helper and prints what is wrong.
func tells(checks map[*spawn.Spec]told) int {
	bad := 0
	for s, w := range checks {
		if how := w.ofStarts(s); how != "" {
			fmt.Println(how)
			bad = 1
		}
	}
	return bad
}

// TestNoexec has a program, and then only its interpreter, on such a file system.
func TestNoexec(t *testing.T) {
	asMappedRoot(t, "noexec", unix.CLONE_NEWNS, t.TempDir())
}

var _ = testenv.RegisterHelper("noexec", func(args []string) int {
	dir := args[0]
	on, script := filepath.Join(dir, "on"), filepath.Join(dir, "script")
	err := errors.Join(os.Mkdir(on, 0o755), unix.Mount("none", on, "tmpfs", unix.MS_NOEXEC, ""), os.Mkdir(filepath.Join(on, "sub"), 0o755),
		os.WriteFile(filepath.Join(on, "sub/x"), nil, 0o755), os.WriteFile(script, []byte("#!"+on+"/sub/x\n"), 0o755))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	x := filepath.Join(on, "sub/x")
	if got, err := spawn.LookPath("x", []string{"PATH=" + filepath.Dir(x)}, ""); !errors.Is(err, unix.EACCES) {
		fmt.Printf("LookPath: %q, %v\n", got, err)
		return 1
	}
	return tells(map[*spawn.Spec]told{
		{Path: x}:                       {x, unix.EACCES, []string{on + " is mounted noexec"}},
		{Path: script}:                  {x, unix.EACCES, []string{on + " is mounted noexec", script}},
		{Path: "/proc/self/../cmdline"}: {"/proc/self/../cmdline", unix.EACCES, []string{""}},
	})
})

// TestClosedToTheChild has files that the child's ids are not let through to, though
// those of this process may be.
func TestClosedToTheChild(t *testing.T) {
	dir := testenv.PublicDir(t)
	closed := filepath.Join(dir, "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	path, uid := testenv.Program(t, filepath.Join(closed, "program"), 0), testenv.Nobody
	hidden := testenv.Write(t, filepath.Join(closed, "hidden"), "", 0o644)
	script := testenv.Write(t, filepath.Join(dir, "script"), "#!"+path+"\n", 0o755)
	private := testenv.Program(t, filepath.Join(dir, "private"), 0)
	secret := testenv.Write(t, filepath.Join(dir, "secret"), "", 0o600)
	var list attr.List
	if os.Geteuid() == 0 {
		list = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}
		if err := os.Chmod(private, 0o744); err != nil {
			t.Fatal(err)
		}
	} else {
		uid = os.Getuid()
		err := errors.Join(os.Chmod(closed, 0), os.Chmod(secret, 0o200), os.Chmod(private, 0o611))
		if err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(closed, 0o700)
	}
	who := fmt.Sprintf("uid %d may not ", uid)
	through := who + "search the directory " + closed
	checkTold(t, &spawn.Spec{Path: path, Attr: list}, told{path, unix.EACCES, []string{through}})
	checkTold(t, &spawn.Spec{Path: script, Attr: list}, told{path, unix.EACCES, []string{through, script}})
	checkTold(t, &spawn.Spec{Path: private, Attr: list}, told{private, unix.EACCES, []string{who + "execute"}})
	for _, x := range []struct {
		path, hint string
		flag       int
	}{{hidden, through, os.O_RDONLY}, {secret, who + "read", os.O_RDWR}, {script, who + "write", os.O_WRONLY}} {
		if x.path == script && os.Geteuid() != 0 {
			continue // its owner may
		}
		s := spawntest.WithActions(&spawn.Spec{Path: "/bin/true", Attr: list}, func(a *spawn.FileActions) { a.Open(0, x.path, x.flag, 0) })
		checkTold(t, s, told{x.path, unix.EACCES, []string{x.hint}})
	}
	s := spawntest.WithActions(&spawn.Spec{Path: "/bin/true", Attr: list}, func(a *spawn.FileActions) { a.Chdir(closed) })
	checkTold(t, s, told{closed, unix.EACCES, []string{who + "search it"}})
}

// TestOpenByThis is about a program that this process itself has open for writing.
func TestOpenByThis(t *testing.T) {
	dir := t.TempDir()
	path := testenv.Program(t, filepath.Join(dir, "busy"), 0)
	script := testenv.Write(t, filepath.Join(dir, "script"), "#!"+path+"\n", 0o755)
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: path}); err == nil {
		testenv.Skip(t, "a kernel that runs what is open for writing")
	}
	for _, start := range []string{path, script} {
		checkTold(t, &spawn.Spec{Path: start}, told{path, unix.ETXTBSY, []string{"in this process", fmt.Sprintf("descriptor %d", f.Fd())}})
	}
}

// TestCapabilitiesOfTheFile has a program that would not get what its file says.
func TestCapabilitiesOfTheFile(t *testing.T) {
	testenv.NeedRoot(t)
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil || fs.Flags&unix.ST_NOSUID != 0 {
		testenv.Skip(t, "no capabilities of files: mounted nosuid")
	}
	data := make([]byte, 20)
	binary.LittleEndian.PutUint32(data, 0x02000000|1)
	binary.LittleEndian.PutUint32(data[4:], 1<<unix.CAP_NET_RAW|1<<unix.CAP_CHOWN)
	if err := unix.Setxattr(path, "security.capability", data, 0); err != nil {
		testenv.Skip(t, "no capabilities of files: "+err.Error())
	}
	s := &spawn.Spec{Path: path, Attr: attr.List{attr.Capabilities{Bounding: []attr.Capability{unix.CAP_CHOWN}}}}
	checkTold(t, s, told{path, unix.EPERM, []string{"CAP_NET_RAW"}})
	_, err := spawn.Start(context.Background(), s)
	var e *spawn.Error
	if !errors.As(err, &e) || strings.Contains(e.Hint, "CAP_CHOWN") {
		t.Error(err)
	}
}

// crowdedUID is a user of its own.
const crowdedUID = 54321

// TestTooManyOfTheUser has a limit that only counts once the ids are others.
func TestTooManyOfTheUser(t *testing.T) {
	s := spawntest.Helper(t, "too many of the user")
	testenv.NeedRoot(t)
	_, end := spawntest.LiveChild(t, attr.Credential{UID: crowdedUID, GID: crowdedUID})
	defer end()
	s.Args = append(s.Args, testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 0))
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("too many of the user", func(args []string) int {
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{}); err != nil {
		fmt.Println(err)
		return 1
	}
	return tells(map[*spawn.Spec]told{
		{Path: args[0], Attr: attr.List{attr.Credential{UID: crowdedUID, GID: crowdedUID}}}: {args[0], unix.EAGAIN, []string{"RLIMIT_NPROC of 0", strconv.Itoa(crowdedUID)}},
	})
})

// TestLimitOfArguments wants the limit to be named, where it is the child's own.
func TestLimitOfArguments(t *testing.T) {
	s := &spawn.Spec{Path: "/bin/true", Args: []string{"true"}, Attr: attr.List{attr.Rlimit{Resource: unix.RLIMIT_STACK, Soft: 1 << 20, Hard: 1 << 20}}}
	for range 5 {
		s.Args = append(s.Args, strings.Repeat("x", 60_000))
	}
	checkTold(t, s, told{s.Path, unix.E2BIG, []string{"the limit is 262144", "RLIMIT_STACK"}})
}

// TestRefusedByFilter is about execve that the child's own filter refuses. What a
// filter says of a call says nothing of the kernel.
func TestRefusedByFilter(t *testing.T) {
	for _, errno := range []syscall.Errno{unix.ENOSYS, unix.EOPNOTSUPP, unix.EPERM} {
		s := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.NoNewPrivs{}, spawntest.Refuse(errno, unix.SYS_EXECVE)}}
		checkTold(t, s, told{s.Path, errno, []string{"the seccomp filter"}})
		_, err := spawn.Start(context.Background(), s)
		if errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: the kernel has it", err)
		}
		var got syscall.Errno
		if !errors.As(err, &got) || got != errno {
			t.Errorf("%v: %v is not to be had", err, errno)
		}
	}
}

// TestFileSystemLacks is about what a file system does not have.
func TestFileSystemLacks(t *testing.T) {
	testenv.NeedRoot(t)
	s := spawntest.WithActions(&spawn.Spec{Path: "/bin/true"}, func(a *spawn.FileActions) { a.Open(0, "/proc", unix.O_TMPFILE|unix.O_RDWR, 0o600) })
	spawntest.EachEngine(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), s)
		if !errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, errors.ErrUnsupported) {
			t.Error(err)
		}
	})
}
