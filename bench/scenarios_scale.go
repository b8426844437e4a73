//go:build linux

package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/safespawn/spawn"
)

// runMapped compares parents that have memory mapped, which takes page tables of
// nobody as it is not touched.
func (b *bench) runMapped() error {
	var all []*series
	for _, gib := range b.size.mapped {
		p, err := b.start("Go")
		if err != nil {
			return err
		}
		defer p.stop()
		if gib > 0 {
			if _, err := p.ask("map", int64(gib)<<30); err != nil {
				return err
			}
		}
		all = append(all, b.sweep(mappedScenario, float64(gib), p, "inherit", goRun, goProgram, goExec)...)
	}
	return b.runRounds(b.size.sweepRounds, all)
}

// compiledResult is what n compiled Programs take.
type compiledResult struct {
	n     int
	bytes int64
}

func compiledSteps(s size) int { return len(s.programs) }

// runCompiled compiles many Programs, each time in a peer of its own.
func (b *bench) runCompiled() error {
	for _, n := range b.size.programs {
		p, err := b.start("Go")
		if err != nil {
			return err
		}
		r, err := p.ask("compile", b.programs.tiny, n)
		p.stop()
		if err != nil {
			return err
		}
		b.compiled = append(b.compiled, compiledResult{n, r[1] - r[0]})
		b.progress.step()
	}
	return nil
}

func (b *bench) compiledTable() string {
	if b.compiled == nil {
		return ""
	}
	rows := [][]string{{compiledSection, "resident KiB more", "bytes of each"}}
	for _, r := range b.compiled {
		rows = append(rows, []string{fmt.Sprint(r.n), fmt.Sprint(r.bytes >> 10), fmt.Sprint(r.bytes / int64(r.n))})
	}
	return section(compiledSection, table(rows))
}

// compiled returns resident bytes before and with n Programs, without garbage.
func compiled(path string, n int) ([]int64, error) {
	resident := func() (int64, error) {
		debug.FreeOSMemory()
		f, err := footprint()
		if err != nil {
			return 0, err
		}
		return f[1], nil
	}
	before, err := resident()
	if err != nil {
		return nil, err
	}
	programs := make([]*spawn.Program, n)
	for i := range programs {
		if programs[i], err = spawn.Compile(&spawn.Spec{Path: path}); err != nil {
			return nil, err
		}
	}
	after, err := resident()
	runtime.KeepAlive(programs)
	return []int64{before, after}, err
}
