//go:build (amd64 || arm64) && !android && !spawn_forkexec

package fdtable_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

// waiterName is the program that does nothing until it is killed, so that its
// descriptors can be looked at.
const waiterName = "fds-waiter"

var waiterCode = map[string][]byte{
	// mov eax, SYS_pause; syscall; jmp to the start
	"amd64": {0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb, 0xf7},
	// mov x8, SYS_ppoll; svc 0; b to the start; the arguments are zero at first
	"arm64": {0x28, 0x09, 0x80, 0xd2, 0x01, 0, 0, 0xd4, 0xfe, 0xff, 0xff, 0x17},
}

// writeWaiter makes the program in a directory.
func writeWaiter(dir string) (path string, err error) {
	image, err := tiny.Image(runtime.GOARCH, 0)
	if err != nil {
		return "", err
	}
	code, err := tiny.Code(runtime.GOARCH, 0)
	if err != nil {
		return "", err
	}
	copy(image[len(image)-len(code):], waiterCode[runtime.GOARCH])
	path = filepath.Join(dir, waiterName)
	return path, os.WriteFile(path, image, 0o755)
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

// awaitExec waits until execve is over: Start returns when the old memory is
// gone, and the kernel closes what is close-on-exec, and sets the name, a little
// later.
func awaitExec(pid int) error {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		if err != nil {
			return err
		}
		if string(bytes.TrimSpace(name)) == waiterName {
			return nil
		}
		runtime.Gosched()
	}
	return fmt.Errorf("pid %d does not run the program", pid)
}

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
		if err == unix.ENOENT && pid == os.Getpid() {
			continue // what the directory was read with
		}
		if err != nil {
			return nil, err
		}
		cloexec, err := closeOnExec(dir + "fdinfo/" + e.Name())
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
