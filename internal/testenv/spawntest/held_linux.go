//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawntest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
)

// Held is a child that waits for a writer of a FIFO before execve.
func Held(t testing.TB) (s *spawn.Spec, fifo string) {
	t.Helper()
	dir := t.TempDir()
	fifo = filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s = &spawn.Spec{Path: testenv.Program(t, filepath.Join(dir, "program"), 7)}
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	return s, fifo
}

// Started is what came of StartHeld.
type Started struct {
	Process *spawn.Process
	Err     error
}

// StartHeld starts a child that can't get as far as execve.
func StartHeld(ctx context.Context, s *spawn.Spec) <-chan Started {
	result := make(chan Started, 1)
	go func() {
		p, err := spawn.Start(ctx, s)
		result <- Started{p, err}
	}()
	time.Sleep(10 * time.Millisecond)
	return result
}
