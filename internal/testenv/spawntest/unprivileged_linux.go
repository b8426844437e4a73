//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// unprivileged are tests that run in a process without privilege, by name: whether that
// is to be the only one of its user.
var unprivileged = map[string]bool{}

// Unprivileged adds such a test to those of TestUnprivileged. It returns what is wrong,
// and gets a directory that it can write to.
func Unprivileged(name string, test func(dir string) error) string {
	unprivileged[name] = false
	return testenv.RegisterHelper("unprivileged: "+name, func(args []string) int {
		if err := test(args[0]); err != nil {
			fmt.Println(err)
			return 1
		}
		return 0
	})
}

// UnprivilegedAlone is Unprivileged for a test that counts the processes of its user. Other
// packages are tested at the same time.
func UnprivilegedAlone(name string, test func(dir string) error) {
	Unprivileged(name, test)
	unprivileged[name] = true
}

// TestUnprivileged runs them all, as nobody or a user of their own where this process is root.
func TestUnprivileged(t *testing.T) {
	for name, alone := range unprivileged {
		t.Run(name, func(t *testing.T) {
			dir := testenv.PublicDir(t)
			s := Helper(t, "unprivileged: "+name, dir)
			user := uint32(testenv.Nobody)
			if alone {
				testenv.NeedRoot(t)
				user = uint32(40_000 + os.Getpid()%20_000)
			}
			if os.Geteuid() == 0 {
				ForAnybody(t, s)
				s.Attr = append(s.Attr, attr.Credential{UID: user, GID: user})
				if err := os.Chown(dir, int(user), int(user)); err != nil {
					t.Fatal(err)
				}
			}
			Succeeds(t, s)
		})
	}
}

// RunByNobody puts the test binary where nobody can run it, and has nobody do so.
func RunByNobody(t testing.TB, s *spawn.Spec) {
	t.Helper()
	ForAnybody(t, s)
	s.Attr = append(s.Attr, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
}

// ForAnybody puts the test binary where anybody can run it.
func ForAnybody(t testing.TB, s *spawn.Spec) {
	t.Helper()
	s.Path = PublicBinary(t)
}

// PublicBinary is the test binary where anybody can run it.
func PublicBinary(t testing.TB) string {
	t.Helper()
	binary, err := os.ReadFile(testenv.Self(t))
	if err != nil {
		t.Fatal(err)
	}
	return testenv.Write(t, filepath.Join(testenv.PublicDir(t), "test"), string(binary), 0o755)
}

// PublicHelper is a helper that any user may run.
func PublicHelper(t testing.TB, name string, args ...string) *spawn.Spec {
	t.Helper()
	s := Helper(t, name, args...)
	ForAnybody(t, s)
	return s
}

// StartAtLimit starts a program while the limit of processes is below what the user
// has already, and returns the error.
func StartAtLimit() error {
	p, err := spawn.Compile(&spawn.Spec{Path: "/bin/true"})
	if err != nil {
		return err
	}
	testenv.IdleThreads()
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
	return err
}
