package testenv

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// NewCgroup makes a cgroup, and skips the test where none can be made.
func NewCgroup(t testing.TB) (dir *os.File, name string) {
	t.Helper()
	NeedRoot(t)
	path, err := MakeCgroup()
	if err != nil {
		Skip(t, "no cgroup can be made: "+err.Error())
	}
	t.Cleanup(func() { RemoveCgroup(t, path) })
	dir, err = os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir, "/" + filepath.Base(path)
}

// MakeCgroup makes a cgroup, for RemoveCgroup.
func MakeCgroup() (path string, err error) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	for line := range bytes.Lines(mounts) {
		before, after, _ := strings.Cut(string(line), " - ")
		if f := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") && len(f) >= 5 {
			return os.MkdirTemp(f[4], "spawn-test-")
		}
	}
	return "", errors.Join(err, errors.New("no cgroup v2"))
}

// RemoveCgroup waits for the kernel to notice that it is empty.
func RemoveCgroup(t testing.TB, path string) {
	t.Helper()
	if t.Failed() {
		_ = os.WriteFile(filepath.Join(path, "cgroup.kill"), []byte("1"), 0) // what the test has left; none before Linux 5.14
	}
	var err error
	if !Soon(func() bool {
		err = os.Remove(path)
		return err == nil || errors.Is(err, os.ErrNotExist)
	}) {
		t.Error(err)
	}
}
