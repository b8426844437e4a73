//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/zap"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestAllocations bounds what a spawn allocates, with a nil Logger.
func TestAllocations(t *testing.T) {
	spawntest.NeedBest(t)
	ctx := context.Background()
	s := &spawn.Spec{Path: testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)}
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		most float64
		run  func() (*spawn.ProcessState, error)
	}{
		{"Program.Start and Wait", 1, func() (*spawn.ProcessState, error) {
			p, err := p.Start(ctx)
			if err != nil {
				return nil, err
			}
			return p.Wait(ctx)
		}},
		{"Program.Run", 6, func() (*spawn.ProcessState, error) { return p.Run(ctx) }},
		{"Run", 12, func() (*spawn.ProcessState, error) { return spawn.Run(ctx, s) }},
	} {
		n := testenv.Allocations(func() {
			if state, err := c.run(); err != nil || !state.Success() {
				t.Errorf("%s: %v, %v", c.what, state, err)
			}
		})
		if n > c.most && testenv.Optimised() {
			t.Errorf("%s allocates %v times, more than %v", c.what, n, c.most)
		}
	}
}

// TestLoggerAllocations wants a Logger that logs nothing to cost nothing: a nil
// *zap.Logger, and one that has debug lines switched off.
func TestLoggerAllocations(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "program"), 0)
	count := func(logger spawn.Logger) (run, spec float64) {
		s := &spawn.Spec{Path: path, Logger: logger}
		p, err := spawn.Compile(s)
		if err != nil {
			t.Fatal(err)
		}
		check := func(_ *spawn.ProcessState, err error) {
			if err != nil {
				t.Error(err)
			}
		}
		return testenv.Allocations(func() { check(p.Run(t.Context())) }),
			testenv.Allocations(func() { check(spawn.Run(t.Context(), s)) })
	}
	run, spec := count(nil)
	for name, logger := range map[string]*zap.Logger{"nil": nil, "warnings": zap.NewNop().WithOptions(zap.IncreaseLevel(zap.WarnLevel))} {
		r, s := count(logger)
		if (r > run || s > spec) && testenv.Optimised() {
			t.Errorf("%s: Program.Run allocates %v times and Run %v, without %v and %v", name, r, s, run, spec)
		}
	}
}

func BenchmarkRun(b *testing.B) {
	s := &spawn.Spec{Path: testenv.Program(b, filepath.Join(b.TempDir(), "program"), 0)}
	p, err := spawn.Compile(s)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("compiled", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.Run(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("spec", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := spawn.Run(b.Context(), s); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCompile compiles for good, and for one start.
func BenchmarkCompile(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	spec := func() *spawn.Spec { return &spawn.Spec{Path: "/bin/true"} }
	bare, files, attrs := spec(), spec(), spec()
	bare.Env = []string{}
	files.Actions.File(null, 0)
	files.Actions.Dup2(0, 1)
	files.Actions.Dup2(0, 2)
	attrs.Attr = attr.List{attr.Setsid{}, attr.Umask(0o22), attr.Nice(1)}
	for _, s := range []struct {
		name string
		spec *spawn.Spec
	}{{"bare", bare}, {"environment", spec()}, {"files", files}, {"attributes", attrs}} {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := spawn.Compile(s.spec); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(s.name+"/once", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := spawn.CompileOnce(s.spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
