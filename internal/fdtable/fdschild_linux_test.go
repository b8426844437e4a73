//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// waiterName is the program that does nothing until it is killed, so that its
// descriptors can be looked at.
const waiterName = "fds-waiter"

// writeWaiter makes the program in a directory.
func writeWaiter(dir string) (path string, err error) {
	path = filepath.Join(dir, waiterName)
	return path, tiny.WriteWaiter(path)
}

// waiter is a Spec of the program.
func waiter(t testing.TB) *spawn.Spec {
	t.Helper()
	path, err := writeWaiter(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return &spawn.Spec{Path: path, Env: []string{}}
}

// withWaiter starts a program of writeWaiter's, and calls f when it runs.
func withWaiter(s *spawn.Spec, f func(pid int) error) error {
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		return err
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait(context.Background())
	}()
	if err := awaitExec(p.Pid()); err != nil {
		return err
	}
	return f(p.Pid())
}

// awaitExec waits until the child runs the program.
func awaitExec(pid int) error { return testenv.AwaitExec(pid, waiterName) }

// fileOf tells what a path, often one in /proc, is: device and inode.
func fileOf(path string) (fileID, error) {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return "", err
	}
	return fileID(fmt.Sprintf("f-%x:%x", st.Dev, st.Ino)), nil
}

// tableOf is the open descriptors of a process, which sleeps or is this one.
func tableOf(pid int) (map[int]heldFD, error) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	entries, err := os.ReadDir(dir + "fd")
	if err != nil {
		return nil, err
	}
	table := map[int]heldFD{}
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			return nil, err
		}
		id, err := fileOf(dir + "fd/" + e.Name())
		cloexec := false
		if err == nil {
			cloexec, err = closeOnExec(dir + "fdinfo/" + e.Name())
		}
		if errors.Is(err, unix.ENOENT) && pid == os.Getpid() {
			continue // what the directory was read with, or what the runtime has closed meanwhile
		}
		if err != nil {
			return nil, err
		}
		table[n] = heldFD{id, cloexec}
	}
	return table, nil
}

func closeOnExec(fdinfo string) (bool, error) {
	b, err := os.ReadFile(fdinfo)
	if err != nil {
		return false, err
	}
	_, flags, _ := strings.Cut(string(b), "flags:\t")
	flags, _, _ = strings.Cut(flags, "\n")
	x, err := strconv.ParseUint(flags, 8, 32)
	return x&syscall.O_CLOEXEC != 0, err
}
