//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestMakeDirectories makes directories, links and a file in them, with the child's
// umask.
func TestMakeDirectories(t *testing.T) {
	testenv.NeedCall(t, "openat2", unix.SYS_OPENAT2)
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := t.TempDir()
		s := spawntest.Exits(t, 0)
		s.Attr = attr.List{attr.Umask(0o027)}
		s.Actions.Mkdir(filepath.Join(dir, "etc"), 0o777)
		s.Actions.Chdir(dir)
		s.Actions.Mkdir("run", 0o777|os.ModeSticky)
		s.Actions.Symlink("/etc", "run/link")
		s.Actions.Open(9, ".", unix.O_PATH, 0)
		s.Actions.OpenAt2(8, 9, "run/link/file", os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666, unix.RESOLVE_IN_ROOT)
		spawntest.Succeeds(t, s)
		for name, want := range map[string]os.FileMode{
			"etc": os.ModeDir | 0o750, "run": os.ModeDir | os.ModeSticky | 0o750, "run/link": os.ModeSymlink | 0o777, "etc/file": 0o640,
		} {
			if st, err := os.Lstat(filepath.Join(dir, name)); err != nil || st.Mode() != want {
				t.Errorf("%s: %v, %v, want %v", name, st, err, want)
			}
		}
	})
}

// TestOpenBeneath wants nothing outside of a directory to be opened.
func TestOpenBeneath(t *testing.T) {
	testenv.NeedCall(t, "openat2", unix.SYS_OPENAT2)
	dir := t.TempDir()
	testenv.Write(t, filepath.Join(dir, "in"), "inside", 0o600)
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	open := func(name string) spawntest.Fault {
		s := spawntest.Cat(t)
		s.Args = s.Args[:1]
		s.Actions.Open(0, dir, unix.O_DIRECTORY, 0)
		s.Actions.OpenAt2(0, 0, name, os.O_RDONLY, 0o777, unix.RESOLVE_BENEATH)
		return spawntest.Fault{Name: name, Spec: s, Want: spawntest.Fails("openat2", 1, name, unix.EXDEV)}
	}
	if got := spawntest.Output(t, open("in").Spec); got != "inside" {
		t.Errorf("%q", got)
	}
	spawntest.Try(t, []spawntest.Fault{open("out"), open("../x"), open("/etc/passwd")})
}
