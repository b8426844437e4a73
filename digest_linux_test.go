//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// digestOf is for the contents of a file.
func digestOf(t *testing.T, path string) attr.Digest {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return attr.Digest{SHA256: sha256.Sum256(text)}
}

// TestDigest writes to a program between Compile and Start, and wants what was
// verified to run, or nothing.
func TestDigest(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
		other := testenv.Program(t, filepath.Join(t.TempDir(), "other"), 4)
		s := &spawn.Spec{Path: path, Attr: attr.List{attr.Umask(0o22), digestOf(t, path)}}
		p, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o755); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if state, err := p.Run(context.Background()); err != nil || state.ExitCode() != 3 {
				t.Errorf("%v, %v", state, err)
			}
		}
		var e *spawn.Error
		_, err = spawn.Run(context.Background(), s)
		if !errors.Is(err, spawn.ErrDigest) || !errors.As(err, &e) || e.Step != spawn.StepDigest || e.Index != 1 {
			t.Errorf("another program: %v", err)
		}
	})
}

// TestDigestOfFile verifies open files: memory files that are sealed or not, and a file
// that has lost its name. One that is not sealed changes before the start.
func TestDigestOfFile(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 3)
	want := digestOf(t, path)
	files := map[string]*os.File{
		"sealed": memoryFile(t, path, allSeals), "unsealed": memoryFile(t, path, 0), "no name": openProgram(t, path, os.O_RDONLY),
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	for name, f := range files {
		s := &spawn.Spec{File: f, Attr: attr.List{attr.Digest{SHA256: [32]byte{1}}}}
		if _, err := spawn.Run(context.Background(), s); !errors.Is(err, spawn.ErrDigest) {
			t.Errorf("%s: %v", name, err)
		}
		s.Attr = attr.List{want}
		p, err := spawn.Compile(s)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "unsealed" {
			if _, err := f.WriteAt(make([]byte, 64), 0); err != nil {
				t.Fatal(err)
			}
		}
		if state, err := p.Run(context.Background()); err != nil || state.ExitCode() != 3 {
			t.Errorf("%s: %v, %v", name, state, err)
		}
	}
}

// TestDigestFaults wants no program to be run that can't be verified.
func TestDigestFaults(t *testing.T) {
	dir := t.TempDir()
	text := testenv.Write(t, filepath.Join(dir, "text"), "#!/bin/sh\n", 0o644)
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh := digestOf(t, "/bin/sh")
	moved := spawn.Spec{Path: "program", Attr: attr.List{sh}}
	moved.Actions.Chdir("/bin")
	for name, c := range map[string]struct {
		s    spawn.Spec
		want error
	}{
		"missing":        {spawn.Spec{Path: "/no/such/program", Attr: attr.List{sh}}, fs.ErrNotExist},
		"not executable": {spawn.Spec{Path: text, Attr: attr.List{digestOf(t, text)}}, fs.ErrPermission},
		"fifo":           {spawn.Spec{Path: filepath.Join(dir, "fifo"), Attr: attr.List{sh}}, fs.ErrPermission},
		"another root":   {spawn.Spec{Path: "/bin/sh", Attr: attr.List{sh, attr.Chroot(dir)}}, unix.EINVAL},
		"moved":          {moved, unix.EINVAL},
	} {
		_, err := spawn.Run(context.Background(), &c.s)
		var e *spawn.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Step != spawn.StepDigest {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestDigestOfScript wants the script that was verified to be read.
func TestDigestOfScript(t *testing.T) {
	path := testenv.Write(t, filepath.Join(t.TempDir(), "script"), "#!/bin/sh\necho verified $1\n", 0o755)
	s := &spawn.Spec{Path: path, Args: []string{"x", "one"}, Attr: attr.List{digestOf(t, path)}}
	if got := spawntest.Output(t, s); got != "verified one\n" {
		t.Errorf("%q", got)
	}
}
