//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
)

// refused are fields of SysProcAttr that are known and not honoured.
var refused []string

// TestSysProcAttrFields fails when a new version of Go adds something.
func TestSysProcAttrFields(t *testing.T) {
	var there []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[syscall.SysProcAttr]()) {
		there = append(there, f.Name)
		if !slices.Contains(exec.SysFields(), f.Name) && !slices.Contains(refused, f.Name) {
			t.Errorf("SysProcAttr.%s is new", f.Name)
		}
	}
	for _, name := range exec.SysFields() {
		if !slices.Contains(there, name) {
			t.Errorf("SysProcAttr has no %s", name)
		}
	}
}

func TestUnknownFields(t *testing.T) {
	type newer struct {
		Setsid     bool
		Sandbox    bool
		SandboxFD  int
		sandboxMap map[string]bool
		Ptrace     bool
	}
	for _, test := range []struct {
		sys  newer
		want string
	}{
		{newer{}, ""},
		{newer{Setsid: true, Ptrace: true}, ""},
		{newer{Setsid: true, Sandbox: true}, "Sandbox"},
		{newer{SandboxFD: -1}, "SandboxFD"},
		{newer{sandboxMap: map[string]bool{}}, "sandboxMap"},
	} {
		if got := exec.UnknownField(&test.sys, "Setsid", "Ptrace"); got != test.want {
			t.Errorf("%+v: got %q, want %q", test.sys, got, test.want)
		}
	}
}

// TestHardening runs programs with the fields that SysProcAttr has from Go 1.28 on.
func TestHardening(t *testing.T) {
	run := func(noNewPrivs, useLandlock bool, fd int, flags uint32) (string, error) {
		t.Helper()
		list, err := exec.Hardened(noNewPrivs, useLandlock, fd, flags)
		if err != nil {
			return "", err
		}
		dir := filepath.Join(t.TempDir(), "new")
		c := exec.Command("/bin/sh", "-c", "grep NoNewPrivs /proc/self/status; mkdir "+dir+" 2>/dev/null && echo made")
		c.Attr = list
		out, err := c.Output()
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = nil
		}
		return strings.Join(strings.Fields(string(out)), " "), err
	}
	if out, err := run(false, false, 99, 99); err != nil || out != "NoNewPrivs: 0 made" {
		t.Errorf("nothing: %q, %v", out, err)
	}
	if out, err := run(true, false, 0, 0); err != nil || out != "NoNewPrivs: 1 made" {
		t.Errorf("NoNewPrivs: %q, %v", out, err)
	}
	ruleset, errno := raw.LandlockCreate(raw.LandlockHandled{FS: unix.LANDLOCK_ACCESS_FS_MAKE_DIR})
	if errno != 0 {
		testenv.Skip(t, "no Landlock: "+errno.Error())
	}
	defer unix.Close(ruleset)
	if out, err := run(true, true, ruleset, 0); err != nil || out != "NoNewPrivs: 1" {
		t.Errorf("Landlock: %q, %v", out, err)
	}
	for name, c := range map[string]struct {
		fd    int
		flags uint32
		errno syscall.Errno
	}{"closed": {1 << 20, 0, unix.EBADF}, "negative": {-1, 0, unix.EBADF}, "flags": {ruleset, 1 << 31, unix.EINVAL}} {
		_, err := run(true, true, c.fd, c.flags)
		var se *spawn.Error
		if !errors.As(err, &se) || se.Step != "landlock" || !errors.Is(err, c.errno) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
