//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec_test

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/safespawn/spawn/exec"
)

// TestListenFDsAndDirFile wants ListenFDs, and DirFile but on Linux, to be errors.
func TestListenFDsAndDirFile(t *testing.T) {
	c := self(t, "exit", "0")
	c.ListenFDs = exec.ListenFDs{{File: os.Stdin}}
	if err := c.Run(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("ListenFDs: %v", err)
	}
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	c = exec.Command("pwd")
	if runtime.GOOS != "linux" {
		c = self(t, "exit", "0")
	}
	c.DirFile = dir
	out, err := c.Output()
	if runtime.GOOS != "linux" {
		if !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("DirFile: %v", err)
		}
	} else if got := strings.TrimSpace(string(out)); err != nil || got != dir.Name() {
		t.Errorf("DirFile: in %q, %v", got, err)
	}
}
