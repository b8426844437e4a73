//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/engine"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/testenv"
)

// compileTouched compiles the verified program of a file. Before the copy is sealed, touch
// gets another descriptor of the copy, as any process of this user may have one.
func compileTouched(t *testing.T, path string, touch func(f *os.File)) (*spawn.Program, error) {
	t.Helper()
	touched := false
	defer engine.OnCopiedForTest(func(fd int) {
		f, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), os.O_RDWR, 0)
		if err != nil {
			t.Error(err)
			return
		}
		touched = true
		touch(f)
	})()
	p, err := spawn.Compile(&spawn.Spec{Path: path, Attr: attr.List{digestOf(t, path)}})
	if !touched {
		t.Error("there was no copy")
	}
	return p, err
}

// TestDigestCopyChanged writes to the copy that was made of a program, before it is sealed.
func TestDigestCopyChanged(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	other := testenv.Program(t, filepath.Join(t.TempDir(), "other"), 4)
	text, err := os.ReadFile(other)
	if err != nil {
		t.Fatal(err)
	}
	_, err = compileTouched(t, path, func(f *os.File) {
		if _, err := f.WriteAt(text, 0); err != nil {
			t.Error(err)
		}
		f.Close()
	})
	if !errors.Is(err, spawn.ErrDigest) {
		t.Errorf("%v, want %v", err, spawn.ErrDigest)
	}
}

// TestDigestCopyMapped maps the copy so that it could be written to ever after.
func TestDigestCopyMapped(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	_, err := compileTouched(t, path, func(f *os.File) {
		defer f.Close()
		var fd int
		testenv.Control(t, f, func(n int) error { fd = n; return nil })
		b, err := unix.Mmap(fd, 0, 1, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err != nil {
			t.Error(err)
			return
		}
		t.Cleanup(func() { _ = unix.Munmap(b) })
	})
	if !errors.Is(err, unix.EBUSY) {
		t.Errorf("%v, want %v", err, unix.EBUSY)
	}
}

// TestDigestCopySealed wants nobody to be able to write to the copy of a Program, also
// with a descriptor from before.
func TestDigestCopySealed(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	var early *os.File
	p, err := compileTouched(t, path, func(f *os.File) { early = f })
	if early != nil {
		defer early.Close()
	}
	if err != nil || early == nil {
		t.Fatal(err)
	}
	if _, err := early.WriteAt([]byte{0}, 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("to write: %v, want %v", err, unix.EPERM)
	}
	if err := early.Truncate(1); !errors.Is(err, unix.EPERM) {
		t.Errorf("to truncate: %v, want %v", err, unix.EPERM)
	}
	early.Close()
	if state, err := p.Run(context.Background()); err != nil || state.ExitCode() != 3 {
		t.Errorf("%v, %v", state, err)
	}
}

// TestDigestOfOthers wants no copy to be made of a file that is not the program, since it
// may be of any size.
func TestDigestOfOthers(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	want := digestOf(t, path)
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	defer engine.OnCopiedForTest(func(int) { t.Error("there is a copy") })()
	if _, err := spawn.Compile(&spawn.Spec{Path: path, Attr: attr.List{want}}); !errors.Is(err, spawn.ErrDigest) {
		t.Errorf("%v, want %v", err, spawn.ErrDigest)
	}
}

// TestDigestOfNoexec has a program on a file system that is mounted noexec.
func TestDigestOfNoexec(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	asMappedRoot(t, "digest of noexec", unix.CLONE_NEWNS, t.TempDir(), path)
}

var _ = testenv.RegisterHelper("digest of noexec", func(args []string) int {
	path := filepath.Join(args[0], "program")
	text, err := os.ReadFile(args[1])
	err = errors.Join(err, unix.Mount("none", args[0], "tmpfs", unix.MS_NOEXEC, ""), os.WriteFile(path, text, 0o755))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	sum := attr.Digest{SHA256: sha256.Sum256(text)}
	_, err = spawn.Compile(&spawn.Spec{Path: path, Attr: attr.List{sum}})
	if !errors.Is(err, unix.EACCES) {
		fmt.Printf("%v, want %v\n", err, unix.EACCES)
		return 1
	}
	return 0
})

// TestDigestOfForbidden has programs that others may execute, and not this process or its
// child.
func TestDigestOfForbidden(t *testing.T) {
	path := testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 3)
	s := &spawn.Spec{Path: path, Attr: attr.List{digestOf(t, path)}}
	mode, step := fs.FileMode(0o411), spawn.StepDigest
	if os.Geteuid() == 0 {
		s.Attr = append(s.Attr, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
		mode, step = 0o744, spawn.StepExecve
	}
	for mode, want := range map[fs.FileMode]error{mode: unix.EACCES, 0o755: nil} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := spawn.Run(context.Background(), s)
		var e *spawn.Error
		if !errors.Is(err, want) || err != nil && (!errors.As(err, &e) || e.Step != step) {
			t.Errorf("%v: %v, want %v", mode, err, want)
		}
	}
}

// TestDigestCopyStray puts another program at the descriptor of the one that was verified,
// as code does that closes a number twice.
func TestDigestCopyStray(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	other, err := os.Open(testenv.Program(t, filepath.Join(t.TempDir(), "other"), 4))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	number := -1
	defer engine.OnCopiedForTest(func(fd int) { number = fd })()
	p, err := spawn.Compile(&spawn.Spec{Path: path, Attr: attr.List{digestOf(t, path)}})
	if err != nil {
		t.Fatal(err)
	}
	testenv.Control(t, other, func(fd int) error { return unix.Dup3(fd, number, unix.O_CLOEXEC) })
	defer unix.Close(number)
	for range 2 {
		var e *spawn.Error
		_, err = p.Run(context.Background())
		if !errors.Is(err, highfd.ErrStray) || !errors.As(err, &e) || e.Step != spawn.StepPath {
			t.Errorf("%v, want %v", err, highfd.ErrStray)
		}
	}
}
