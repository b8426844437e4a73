package testenv

import (
	"errors"
	"os"
	"testing"

	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// Write makes a file with a mode, whatever the umask is, and returns its path.
func Write(t testing.TB, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// Program writes a program that exits with a status, and returns its path.
func Program(t testing.TB, path string, status int) string {
	t.Helper()
	switch err := tiny.Write(path, status); {
	case errors.Is(err, errors.ErrUnsupported):
		Skip(t, "no program of a few bytes for this architecture")
	case err != nil:
		t.Fatal(err)
	}
	return path
}

// PublicDir is a directory that any user can search.
func PublicDir(t testing.TB) string {
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
