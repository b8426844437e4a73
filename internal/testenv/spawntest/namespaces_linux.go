//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// NamespaceKinds are the names in /proc of the namespaces that tests make.
var NamespaceKinds = map[string]uint{
	"cgroup": unix.CLONE_NEWCGROUP, "ipc": unix.CLONE_NEWIPC, "mnt": unix.CLONE_NEWNS, "net": unix.CLONE_NEWNET,
	"pid": unix.CLONE_NEWPID, "user": unix.CLONE_NEWUSER, "uts": unix.CLONE_NEWUTS,
}

// NeedNamespaces skips a test where namespaces can't be made.
func NeedNamespaces(t testing.TB, flags uint) {
	t.Helper()
	if err := makeNamespaces(flags); err != nil {
		testenv.SkipNamespaces(t, flags, err)
	}
}

// CanMake reports whether namespaces can be made.
func CanMake(flags uint) bool { return makeNamespaces(flags) == nil }

// CanMap reports whether user namespaces can be made.
func CanMap() bool { return CanMake(unix.CLONE_NEWUSER) }

func makeNamespaces(flags uint) error {
	_, state, err := TryOutput(Shell(":", attr.Namespaces{Flags: flags}))
	if err == nil && !state.Success() {
		err = errors.New(state.String())
	}
	return err
}

// WithUser adds a user namespace where namespaces need one.
func WithUser(flags uint) uint {
	if os.Geteuid() == 0 {
		return flags
	}
	return flags | unix.CLONE_NEWUSER
}

// MapOwn are maps of this process's ids, which needs no privilege.
func MapOwn() (uid, gid []attr.IDMapEntry) {
	return []attr.IDMapEntry{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		[]attr.IDMapEntry{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
}

// Namespaces is a Spec of a script that prints which namespaces it is in, for
// ParseNamespaces.
func Namespaces(list ...attr.Attr) *spawn.Spec {
	return Shell("for f in /proc/self/ns/*; do readlink $f; done", list...)
}

// ParseNamespaces is what the script of Namespaces has printed, by kind.
func ParseNamespaces(out string) map[string]string {
	links := map[string]string{}
	for link := range strings.FieldsSeq(out) {
		name, _, _ := strings.Cut(link, ":")
		links[name] = link
	}
	return links
}

// NamespacesOf are those of a thread, such as self or thread-self.
func NamespacesOf(thread string) map[string]string {
	links := map[string]string{}
	for name := range NamespaceKinds {
		links[name], _ = os.Readlink("/proc/" + thread + "/ns/" + name)
	}
	return links
}

// NamespaceFile opens a file of a process's namespaces.
func NamespaceFile(t testing.TB, pid int, name string) *os.File {
	t.Helper()
	f, err := os.Open("/proc/" + strconv.Itoa(pid) + "/ns/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// RootDirectory has a program at /program, and a file that nothing outside has.
func RootDirectory(t testing.TB, status int) string {
	t.Helper()
	dir := testenv.PublicDir(t)
	testenv.Program(t, filepath.Join(dir, "program"), status)
	for _, name := range []string{"proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
