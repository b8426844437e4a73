//go:build android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawn_test

import (
	"errors"
	"io"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

func TestFallbackPidfd(t *testing.T) {
	p, release := staying(t, t.Context())
	err := p.WithPidfd(func(fd uintptr) error { return unix.PidfdSendSignal(int(fd), 0, nil, 0) })
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, "no pidfd")
	}
	if err != nil {
		t.Error(err)
	}
	if err := p.WithPidfd(func(uintptr) error { return io.EOF }); err != io.EOF {
		t.Errorf("error of the function: %v", err)
	}
	release()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.WithPidfd(func(uintptr) error { return nil }); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("afterwards: %v", err)
	}
}
