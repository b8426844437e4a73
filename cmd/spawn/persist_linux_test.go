package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestPersist has a namespace stay after its program, as unshare(1) does.
func TestPersist(t *testing.T) {
	needEngine(t, "--stopped")
	dir := t.TempDir()
	file := writeFile(t, filepath.Join(dir, "namespace"), "", 0o644)
	began := filepath.Join(dir, "began")
	flags := []string{"--new", "uts", "--persist", "uts=" + file, "--hostname", "spawn-stays"}
	if os.Geteuid() != 0 {
		fails(t, statusError, append([]string{"--map-root", "--new", "user"}, append(flags, "touch", began)...)...)
	}
	missing := append(inside(t, "uts"), "--persist", "uts=/no/such/file", "touch", began)
	if r := try(t, missing...); r.status != statusError || !strings.Contains(r.errOut, "/no/such/file") {
		t.Errorf("no file: %+v", r)
	}
	if _, err := os.Stat(began); err == nil {
		t.Error("a program has begun, and its namespace does not stay")
	}
	if r := try(t, "--new", "uts", "true"); r.status != 0 || os.Geteuid() != 0 {
		testenv.Skip(t, "needs root, who may mount")
	}
	unmount := func() {
		if err := unix.Unmount(file, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
	const show = "/proc/sys/kernel/hostname"
	if got := must(t, append(flags, "cat", show)...); got != "spawn-stays\n" {
		t.Errorf("in it: %q", got)
	}
	if got := must(t, "--join", "uts="+file, "cat", show); got != "spawn-stays\n" {
		t.Errorf("afterwards: %q", got)
	}
	unmount()
	if out, err := exec.Command("unshare", "--uts="+file, "sh", "-c", "echo spawn-stays >"+show).CombinedOutput(); err != nil {
		testenv.Skip(t, "unshare: "+string(out))
	}
	if got := must(t, "--join", "uts="+file, "cat", show); got != "spawn-stays\n" {
		t.Errorf("with unshare(1): %q", got)
	}
	unmount()
}

// TestPersistTakenBack has a file that can't be mounted on, behind others that can: the first
// ones don't stay mounted, and the program does not begin.
func TestPersistTakenBack(t *testing.T) {
	needEngine(t, "--stopped")
	testenv.NeedRoot(t)
	needNamespaces(t, "uts,ipc")
	dir := t.TempDir()
	one, other, began := writeFile(t, filepath.Join(dir, "one"), "", 0o644), writeFile(t, filepath.Join(dir, "other"), "", 0o644), filepath.Join(dir, "began")
	before := testenv.Mounts(t)
	for _, files := range [][]string{{"uts=" + one}, {"uts=" + one, "ipc=" + other}, {"uts=" + one, "ipc=" + one}} {
		args := []string{"--new", "uts,ipc"}
		for _, file := range append(files, "uts="+dir) {
			args = append(args, "--persist", file)
		}
		if line := fails(t, statusError, append(args, "touch", began)...); !strings.Contains(line, dir) {
			t.Errorf("%q: %s", files, line)
		}
		if changed := testenv.MountsSince(t, before); len(changed) > 0 {
			t.Errorf("%q: mounts have come or are gone: %q", files, changed)
			_ = unix.Unmount(one, unix.MNT_DETACH)
			_ = unix.Unmount(one, unix.MNT_DETACH)
			_ = unix.Unmount(other, unix.MNT_DETACH)
		}
	}
	if _, err := os.Stat(began); err == nil {
		t.Error("a program has begun")
	}
}

// TestPersistTime wants the new time namespace to stay, in which before Linux 6.2 only the
// children of the program are.
func TestPersistTime(t *testing.T) {
	needEngine(t, "--stopped")
	testenv.NeedRoot(t)
	own, err := os.Stat("/proc/self/ns/time")
	if err != nil {
		testenv.Skip(t, "no time namespaces")
	}
	for _, flag := range []string{"--new", "--unshare"} {
		if r := try(t, flag, "time", "true"); r.status != 0 {
			testenv.Skip(t, "no new time namespaces")
		}
		file := writeFile(t, filepath.Join(t.TempDir(), "namespace"), "", 0o644)
		must(t, flag, "time", "--persist", "time="+file, "true")
		if kept, err := os.Stat(file); err != nil || os.SameFile(own, kept) {
			t.Errorf("%s: %v, or it is the old one", flag, err)
		}
		if err := unix.Unmount(file, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}
}
