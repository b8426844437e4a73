//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestUnsupported has what only the clone engine can do: an error of Compile that
// names it, and nothing has happened.
func TestUnsupported(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	dir := portableDir(t)
	open := func(a *spawn.FileActions) {
		a.Close(9)
		a.Open(1, filepath.Join(dir, "new"), os.O_WRONLY|os.O_CREATE, 0o600)
	}
	attribute := func(name string, index int, list ...attr.Attr) startError {
		return startError{name: name, spec: spawn.Spec{Attr: list}, step: "attr", index: index, change: open}
	}
	cases := []startError{
		attribute("Umask", 0, attr.Umask(0o77)),
		attribute("Nice", 1, attr.InheritIgnored{}, attr.Nice(19)),
		attribute("Rlimit", 0, attr.Rlimit{}),
		attribute("NoFile", 0, attr.NoFile{Soft: 10, Hard: 10}),
		attribute("SigMask", 0, attr.SigMask{}),
		attribute("SigIgnore", 0, attr.SigIgnore{2}),
		attribute("SigDefault", 0, attr.SigDefault{2}),
		attribute("NoNewPrivs", 0, attr.NoNewPrivs{}),
		attribute("Cgroup", 0, attr.Cgroup{Dir: null}),
		attribute("Namespaces", 0, attr.Namespaces{Flags: 0x4000000}),
		attribute("Unshare", 0, attr.Unshare{Flags: 0x4000000}),
		attribute("AmbientCaps", 0, attr.AmbientCaps{1}),
		attribute("ParentDeathSignal", 0, attr.ParentDeathSignal(9)),
		attribute("Ptrace", 0, attr.Ptrace{}),
		attribute("StartSuspended", 0, attr.StartSuspended{}),
		attribute("CoredumpFilter", 0, attr.CoredumpFilter(0)),
		attribute("MemoryDenyWriteExec", 0, attr.MemoryDenyWriteExec{}),
		attribute("NoHugePages", 0, attr.NoHugePages{}),
		attribute("MergePages", 0, attr.MergePages{}),
		attribute("DetachTTY", 0, attr.DetachTTY{}),
		attribute("ControllingFD", 1, attr.Setsid{}, attr.ControllingFD{FD: 0}),
		attribute("Foreground", 1, attr.Setpgid{}, attr.Foreground{File: null}),
		{
			name: "terminal that the child hasn't got", step: "ctty", index: 1, change: func(*spawn.FileActions) {},
			spec: spawn.Spec{Attr: attr.List{attr.Setsid{}, attr.ControllingTTY{File: null}}},
		},
		{
			name: "open in another root", step: "open", index: 1, change: open,
			spec: spawn.Spec{Attr: attr.List{attr.Chroot("/")}},
		},
		{
			name: "open with other rights", step: "open", index: 1, change: open,
			spec: spawn.Spec{Attr: attr.List{attr.Credential{UID: 12345, GID: 12345}}},
		},
		{
			name: "foreground without a group", step: "tcsetpgrp", index: 2,
			change: func(a *spawn.FileActions) { open(a); a.Tcsetpgrp(0) },
		},
		{
			name: "foreground twice", step: "tcsetpgrp", index: 3, spec: spawn.Spec{Attr: attr.List{attr.Setpgid{}}},
			change: func(a *spawn.FileActions) { open(a); a.Tcsetpgrp(0); a.Tcsetpgrp(0) },
		},
	}
	if runtime.GOOS != "linux" {
		cases = append(cases, startError{
			name: "directory by number", step: "fchdir", index: 2,
			change: func(a *spawn.FileActions) { open(a); a.Fchdir(0) },
		})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS == "windows" {
				testenv.Skip(t, "steps and indexes are those of Unix")
			}
			c.spec.Path, c.err = testenv.Self(t), errors.ErrUnsupported
			c.change(&c.spec.Actions)
			_, err := spawn.Compile(&c.spec)
			c.check(t, err)
			if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
				t.Error("something has happened")
			}
		})
	}
}

func TestFeaturesOfFallback(t *testing.T) {
	features := spawn.Features()
	for _, name := range []string{"engine", "clone3", "cgroup", "close_range", "pidfd", "pidfd_info", "shared_memory"} {
		if features.Has(name) {
			t.Errorf("has %s", name)
		}
		if !strings.Contains(features.String(), name) {
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

func TestStepsOfFallback(t *testing.T) {
	var s spawn.Spec
	s.Path = "/bin/program"
	s.Attr = attr.List{attr.Setpgid{}}
	s.Actions.Open(1, "/out", os.O_WRONLY, 0o600)
	s.Actions.Dup2(1, 2)
	s.Actions.Chdir("/srv")
	s.Actions.Open(3, "in", os.O_RDONLY, 0)
	s.Actions.Close(4)
	if runtime.GOOS == "windows" {
		testenv.Skip(t, "descriptors above 2")
	}
	p, err := spawn.Compile(&s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range p.Steps() {
		got = append(got, s.Name+": "+s.String())
		if s.Number != -1 {
			t.Errorf("number of %v", s)
		}
	}
	want := []string{
		`open: open("/out", 01, 0600) // in the parent, gives f0`,
		`chdir: stat("/srv") // in the parent`,
		`open: open("/srv/in", 0, 0) // in the parent, gives f2`,
		`file_table: dup(0) // in the parent, gives f3`,
		`setpgid: setpgid(0, 0)`,
		`chdir: chdir("/srv")`,
		`file_table: dup2(f3, 0)`,
		`open: dup2(f0, 1)`,
		`dup2: dup2(f0, 2)`,
		`open: dup2(f2, 3)`,
		`close: close(4)`,
		`execve: execve("/bin/program", ptr, ptr)`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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
