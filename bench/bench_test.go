//go:build linux

package main

import (
	"context"
	"os"
	"testing"

	"github.com/safespawn/spawn"
)

func tinyProgram(tb testing.TB) string {
	tb.Helper()
	p, err := makePrograms(tb.TempDir(), nil)
	if err != nil {
		tb.Fatal(err)
	}
	return p.tiny
}

// benchmarkMethod measures a method as the Go peer performs it.
func benchmarkMethod(b *testing.B, m method, kind string) {
	f, err := newSpawn(m.id, kind, tinyProgram(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile(b *testing.B) {
	path := tinyProgram(b)
	var actions spawn.FileActions
	for fd := range 3 {
		actions.Open(fd, os.DevNull, os.O_RDWR, 0)
	}
	var files spawn.FileActions
	for fd, f := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		files.File(f, fd)
	}
	for _, c := range []struct {
		name string
		spec *spawn.Spec
	}{
		{"inherit", &spawn.Spec{Path: path}},
		{"emptyenv", &spawn.Spec{Path: path, Env: []string{}}},
		{"null", &spawn.Spec{Path: path, Actions: actions}},
		{"files", &spawn.Spec{Path: path, Actions: files}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := spawn.Compile(c.spec); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkStart measures Program.Start alone, with the wait off the clock.
func BenchmarkStart(b *testing.B) {
	program, err := spawn.Compile(&spawn.Spec{Path: tinyProgram(b)})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := program.Start(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := check(p.Wait(context.Background())); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

// BenchmarkWait measures Process.Wait alone, of a child that has ended.
func BenchmarkWait(b *testing.B) {
	program, err := spawn.Compile(&spawn.Spec{Path: tinyProgram(b)})
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p, err := program.Start(ctx)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.WaitExited(ctx); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		if err := check(p.Wait(ctx)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkProgramStartWait(b *testing.B) { benchmarkMethod(b, goProgram, "inherit") }

func BenchmarkRun(b *testing.B) {
	for _, kind := range []string{"inherit", "null", "pipes"} {
		b.Run(kind, func(b *testing.B) { benchmarkMethod(b, goRun, kind) })
	}
}

func BenchmarkOSExec(b *testing.B) {
	for _, kind := range []string{"inherit", "null", "pipes"} {
		b.Run(kind, func(b *testing.B) { benchmarkMethod(b, goExec, kind) })
	}
}

func BenchmarkOSStartProcess(b *testing.B) { benchmarkMethod(b, goStartProcess, "inherit") }

func BenchmarkSyscallForkExec(b *testing.B) { benchmarkMethod(b, goForkExec, "inherit") }

func BenchmarkParallel(b *testing.B) {
	for _, m := range []method{goProgram, goExec} {
		b.Run(m.id, func(b *testing.B) {
			f, err := newSpawn(m.id, "inherit", tinyProgram(b))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetParallelism(16)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := f(); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}
