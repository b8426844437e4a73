//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// atOnce does n rounds on some goroutines.
func atOnce(goroutines, n int, f func(worker int) error) error {
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, goroutines)
	for w := range goroutines {
		wg.Go(func() {
			for next.Add(1) <= int64(n) && errs[w] == nil {
				errs[w] = f(w)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// TestTextFileBusy writes programs and runs them, while other children are made
// that have the files open for writing until they exec.
func TestTextFileBusy(t *testing.T) {
	dir := t.TempDir()
	n := testenv.Rounds(200, 50_000)
	loop := func(run func(path string) error) error {
		return atOnce(16, n, func(worker int) error {
			path := filepath.Join(dir, fmt.Sprint("program", worker))
			_ = os.Remove(path) // there is none at first
			if err := os.WriteFile(path, []byte("#!/bin/true\n"), 0o700); err != nil {
				return err
			}
			return run(path)
		})
	}
	if err := loop(func(path string) error { return exec.Command(path).Run() }); err != nil {
		t.Error(err)
	}
	var busy atomic.Int64
	if err := loop(func(path string) error {
		err := osexec.Command(path).Run()
		if errors.Is(err, syscall.ETXTBSY) {
			busy.Add(1)
			err = nil
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	t.Logf("with os/exec %d of %d fail", busy.Load(), n)
}

// TestOutputComplete reads all that was written before the program ended.
func TestOutputComplete(t *testing.T) {
	want := strings.Repeat("0123456789", 100)
	err := atOnce(8, testenv.Rounds(300, 100_000), func(int) error {
		var out, diag bytes.Buffer
		c := exec.Command("/bin/echo", "-n", want)
		c.Stdout, c.Stderr = &out, &diag
		if err := c.Run(); err != nil || out.String() != want || diag.Len() > 0 {
			return fmt.Errorf("%d bytes, %d of stderr, %w", out.Len(), diag.Len(), err)
		}
		b, err := exec.Command("/bin/echo", "-n", want).Output()
		if err != nil || string(b) != want {
			return fmt.Errorf("%d bytes by Output, %w", len(b), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestA7ManyLive waits for many children at once, and counts threads.
func TestA7ManyLive(t *testing.T) {
	n := testenv.Rounds(300, 10_000)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil || limit.Cur < uint64(2*n+100) {
		testenv.Skip(t, "RLIMIT_NOFILE is too low")
	}
	before, open := threads(t), len(testenv.Settled())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	list := make([]*exec.Cmd, n)
	var wg sync.WaitGroup
	for i := range list {
		list[i] = exec.Command("/bin/cat")
		list[i].Stdin = r
		if err := list[i].Start(); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := list[i].Wait(); err != nil {
				t.Error(err)
			}
		})
	}
	if now := threads(t); now > before+20 {
		t.Errorf("%d threads, %d before", now, before)
	}
	if now := len(testenv.OpenFDs()); now > open+2+2*n {
		t.Errorf("%d descriptors for %d children", now-open, n)
	}
	w.Close()
	wg.Wait()
}

func threads(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
