//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestUnsupported has errors of Compile for what only the clone engine can do.
func TestUnsupported(t *testing.T) {
	s := spawntest.Helper(t, "exit", "0")
	s.Attr = attr.List{attr.InheritIgnored{}, attr.Umask(0o77)}
	_, err := spawn.Compile(s)
	(&startError{spec: *s, step: "attr", index: 1, err: errors.ErrUnsupported}).check(t, err)
	var lack *spawn.UnsupportedError
	if !errors.As(err, &lack) || lack.What != "attr.Umask" {
		t.Errorf("%v: %+v", err, lack)
	}
	s.Attr = nil
	s.Actions.Close(9)
	s.Actions.Tcsetpgrp(0)
	_, err = spawn.Compile(s)
	(&startError{spec: *s, step: "tcsetpgrp", index: 1, err: errors.ErrUnsupported}).check(t, err)
}

func TestFeaturesOfFallback(t *testing.T) {
	features := spawn.Features()
	for _, name := range []spawn.FeatureName{"engine", "clone3", "cgroup", "close_range", "pidfd", "pidfd_info", "shared_memory", "landlock", "seccomp"} {
		if features.Has(name) {
			t.Errorf("has %s", name)
		}
		if !strings.Contains(features.String(), string(name)) {
			t.Errorf("no line for %s", name)
		}
	}
}

func TestWarningOfFallback(t *testing.T) {
	core, logs := observer.New(zapcore.WarnLevel)
	s := spawntest.Helper(t, "exit", "0")
	s.Logger = zap.New(core)
	for range 2 {
		if _, err := spawn.Run(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if n := logs.Len(); n > 1 {
		t.Errorf("%d warnings", n)
	}
}

// TestStepsOfFallback wants all that is known about a step.
func TestStepsOfFallback(t *testing.T) {
	s := spawn.Spec{Path: "/bin/program"}
	s.Actions.Open(1, "/out", os.O_WRONLY, 0o600)
	p, err := spawn.Compile(&s)
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Steps()
	if got, want := steps[0].String(), `open("/out", 01, 0600) // in the parent, gives f0`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if s := steps[0]; s.Part != spawn.PartAction || s.Name != "open" || s.Index != 0 || s.Object != "/out" || s.Number != -1 {
		t.Errorf("%#v", s)
	}
	if s := steps[len(steps)-1]; s.Part != spawn.PartStart || s.Syscall != "execve" || s.Index != -1 {
		t.Errorf("%#v", s)
	}
}

// TestWaitExitedUnsupported is about what can't be done without the engine.
func TestWaitExitedUnsupported(t *testing.T) {
	p, err := spawn.Start(context.Background(), spawntest.Helper(t, "exit", "0"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.WaitExited(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if _, err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if err := p.WaitExited(context.Background()); err != nil {
		t.Error(err)
	}
}

// TestMakingUnsupported wants what only the engine's child can make to be an error.
func TestMakingUnsupported(t *testing.T) {
	for step, add := range map[string]func(a *spawn.FileActions){
		"openat2": func(a *spawn.FileActions) { a.OpenAt2(1, -100, "x", 0, 0, 0) },
		"mkdir":   func(a *spawn.FileActions) { a.Mkdir("x", 0) },
		"symlink": func(a *spawn.FileActions) { a.Symlink("x", "y") },
	} {
		s := spawntest.Helper(t, "args")
		add(&s.Actions)
		_, err := spawn.Compile(s)
		(&startError{spec: *s, step: step, index: 0, err: errors.ErrUnsupported}).check(t, err)
	}
	s := spawn.Spec{File: os.Stdin}
	if _, err := spawn.Compile(&s); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

// TestNoPIDVariable wants a variable that only the engine's child can have to be an error.
func TestNoPIDVariable(t *testing.T) {
	s := spawntest.Helper(t, "args")
	s.PIDVariable = "LISTEN_PID"
	if _, err := spawn.Compile(s); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}
