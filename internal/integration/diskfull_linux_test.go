//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestAdverseDiskFull has a disk full for the output of a child, which the child writes
// itself or this process copies. Its user learns of it, what had room is there, and
// nothing is stuck. os/exec is beside it.
func TestAdverseDiskFull(t *testing.T) {
	dir := t.TempDir()
	s := spawntest.Helper(t, "disk full", dir)
	if os.Geteuid() == 0 && spawntest.CanMake(unix.CLONE_NEWNS) {
		s.Args = append(s.Args, "real")
		s.Attr = attr.List{attr.Namespaces{Flags: unix.CLONE_NEWNS}, attr.Mounts{{Source: "none", Target: dir, FSType: "tmpfs", Data: "size=64k"}}}
	}
	spawntest.Succeeds(t, s)
}

// room64k is the size of the disk.
const room64k = 64 << 10

// limitedFile is a file that takes as much as the disk has room for. Without a mount
// there is no small disk, and the file is as full as one.
type limitedFile struct {
	file *os.File
	left int
}

func (f *limitedFile) Write(b []byte) (int, error) {
	n := min(len(b), f.left)
	f.left -= n
	n, err := f.file.Write(b[:n])
	if err == nil && n < len(b) {
		err = &os.PathError{Op: "write", Path: f.file.Name(), Err: unix.ENOSPC}
	}
	return n, err
}

// A writer of more than there is room for.
const writesMuch = "i=0; while [ $i -lt 20000 ] && echo 0123456789012345678901234567890123456789; do i=$((i+1)); done"

var _ = testenv.RegisterHelper("disk full", func(args []string) int {
	if err := diskFull(args[0], len(args) > 1); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

func diskFull(dir string, real bool) error {
	if err := exec.Command("/bin/true").Run(); err != nil { // what is made once is made here
		return err
	}
	before := testenv.FilesAndChildren()
	// The child writes to the disk itself.
	full := "/dev/full"
	if real {
		full = filepath.Join(dir, "child")
	}
	s := spawntest.Shell(writesMuch + " 2>/dev/null; exit 28")
	s.Actions.Open(1, full, os.O_WRONLY|os.O_CREATE, 0o600)
	state, err := spawn.Run(context.Background(), s)
	if err != nil || state.ExitCode() != 28 {
		return fmt.Errorf("%v, %w", state, err)
	}
	if real {
		if err := wantSize(full); err != nil {
			return err
		}
		if err := os.Remove(full); err != nil {
			return err
		}
	}
	// This process copies.
	for name, command := range map[string]func(w io.Writer) error{
		"spawn/exec": func(w io.Writer) error {
			c := exec.Command("/bin/sh", "-c", writesMuch)
			c.Stdout = w
			return c.Run()
		},
		"os/exec": func(w io.Writer) error {
			c := osexec.Command("/bin/sh", "-c", writesMuch)
			c.Stdout = w
			return c.Run()
		},
	} {
		path := filepath.Join(dir, "parent")
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		w := io.Writer(&limitedFile{f, room64k})
		if real {
			w = struct{ io.Writer }{f} // an *os.File would be the child's own
		}
		err = command(w)
		f.Close()
		// The child ends by SIGPIPE, or with a status if that is ignored.
		var failed *exec.ExitError
		if !errors.Is(err, unix.ENOSPC) && !errors.As(err, &failed) {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := errors.Join(wantSize(path), os.Remove(path)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if left := testenv.FilesAndChildren(); len(left) > len(before) {
		return fmt.Errorf("left behind: %v", left)
	}
	return nil
}

// wantSize wants a file to have all that there was room for.
func wantSize(path string) error {
	text, err := os.ReadFile(path)
	if err == nil && len(text) != room64k {
		err = fmt.Errorf("%s has %d bytes", path, len(text))
	}
	if err == nil && !bytes.HasPrefix(text, []byte("0123456789")) {
		err = errors.New("not what was written")
	}
	return err
}
