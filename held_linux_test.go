//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
)

// heldSpec is a child that waits for a writer of a FIFO before execve.
func heldSpec(t testing.TB) (s *spawn.Spec, fifo string) {
	t.Helper()
	dir := t.TempDir()
	fifo = filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s = &spawn.Spec{Path: program(t, filepath.Join(dir, "program"), 7)}
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	return s, fifo
}

type started struct {
	p   *spawn.Process
	err error
}

// startHeld starts a child that can't get as far as execve.
func startHeld(ctx context.Context, s *spawn.Spec) <-chan started {
	result := make(chan started, 1)
	go func() {
		p, err := spawn.Start(ctx, s)
		result <- started{p, err}
	}()
	time.Sleep(10 * time.Millisecond)
	return result
}
