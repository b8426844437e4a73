//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
)

// TestActionsFileBlocks passes an end of os.Pipe by Actions: the program's blocks,
// and this process's keeps its deadlines.
func TestActionsFileBlocks(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var a spawn.FileActions
	a.File(w, 3)
	c := exec.Command("/bin/sh", "-c", "head -c 300000 /dev/zero >&3")
	c.Actions = a
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // the pipe fills
	if err := w.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Error(err)
	} else if _, err := w.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v, want the deadline's error", err)
	}
	w.Close()
	if n, err := io.Copy(io.Discard, r); err != nil || n != 300000 {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}
