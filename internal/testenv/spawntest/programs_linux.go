//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
)

// Shell is a Spec of a script.
func Shell(script string, list ...attr.Attr) *spawn.Spec {
	return &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Attr: list}
}

// Exits is a program that exits at once.
func Exits(t testing.TB, status int) *spawn.Spec {
	t.Helper()
	return &spawn.Spec{Path: testenv.Program(t, filepath.Join(t.TempDir(), "program"), status)}
}

// Cat is a Spec of cat printing what /proc has about it. A helper would not do: the Go
// runtime changes dispositions and limits before main.
func Cat(t testing.TB, list ...attr.Attr) *spawn.Spec {
	t.Helper()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	return &spawn.Spec{Path: cat, Args: append([]string{"cat"}, testenv.SeenFiles...), Attr: list}
}

// SeenWith runs Cat.
func SeenWith(t testing.TB, list ...attr.Attr) testenv.Seen {
	t.Helper()
	return testenv.ParseSeen(Output(t, Cat(t, list...)))
}

// LiveChild starts a cat that lives until end is called.
func LiveChild(t testing.TB, list ...attr.Attr) (p *spawn.Process, end func()) {
	t.Helper()
	return LiveChildIn(t, "/", list...)
}

// LiveChildIn is LiveChild in a directory.
func LiveChildIn(t testing.TB, dir string, list ...attr.Attr) (p *spawn.Process, end func()) {
	t.Helper()
	s := Cat(t, list...)
	s.Actions.Chdir(dir)
	s.Args = s.Args[:1]
	// Not os.Pipe: its ends don't block, and cat gives up at once.
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	s.Actions.File(r, 0)
	p, err := spawn.Start(context.Background(), s)
	r.Close()
	if err != nil {
		w.Close()
		t.Fatal(err)
	}
	return p, func() {
		w.Close()
		if _, err := p.Wait(context.Background()); err != nil && !errors.Is(err, spawn.ErrStatusTaken) {
			t.Error(err)
		}
	}
}
