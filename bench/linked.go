//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/safespawn/spawn"
)

const linkedScenario = "linked"

// linkedProgram is a program that does nothing but run another, and what it takes
// before it comes to that.
type linkedProgram struct {
	title, dir string
	packages   int
	size       int64     // bytes
	starts     []float64 // ns, from start to end
	program    *spawn.Program
}

// startsPerRound are the starts of each program in a round.
const startsPerRound = 10

// runLinked builds the programs, and starts them in turns.
func (b *bench) runLinked() error {
	list := []*linkedProgram{
		{title: osExec, dir: "osexec"}, {title: oursRun, dir: "spawn"}, {title: oursCmd, dir: "exec"},
	}
	for _, l := range list {
		if err := l.build(b); err != nil {
			b.skip("%s: %v", linkedScenario, err)
			return nil
		}
	}
	for range linkedSteps(b.size) {
		for range startsPerRound {
			for _, l := range list {
				begin := time.Now()
				if state, err := l.program.Run(b.ctx); err != nil {
					return err
				} else if err := state.Err(); err != nil {
					return err
				}
				l.starts = append(l.starts, float64(time.Since(begin)))
			}
		}
		b.progress.step()
	}
	b.linked = list
	return nil
}

func linkedSteps(s size) int { return s.sweepRounds }

// build makes the program, from the directory of the benchmark.
func (l *linkedProgram) build(b *bench) error {
	path, source := b.path("linked-"+l.dir), "./linked/"+l.dir
	if out, err := exec.CommandContext(b.ctx, "go", "build", "-o", path, source).CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	deps, err := exec.CommandContext(b.ctx, "go", "list", "-deps", source).Output()
	if err != nil {
		return err
	}
	l.packages = len(strings.Fields(string(deps))) - 1 // but for its own
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	l.size = info.Size()
	l.program, err = spawn.Compile(&spawn.Spec{Path: path})
	return err
}

// startUp are the quartiles of the time from start to end.
func (l *linkedProgram) startUp() quartiles { return quartilesOf(l.starts) }

func (l *linkedProgram) megabytes() float64 { return float64(l.size) / 1e6 }

// linkedGoals compare with os/exec.
func (b *bench) linkedGoals() []goal {
	var g []goal
	for i, title := range []string{oursRun, oursCmd} {
		packages := goal{what: "packages of a program with " + title, from: engine, limit: 110, format: "%.0f"}
		start := goal{what: "start-up of a program with " + title + " / " + osExec, from: engine, limit: 1.2, format: "%.2f"}
		if b.linked == nil {
			packages.missing, start.missing = "was left out", "was left out"
		} else {
			base, l := b.linked[0], b.linked[i+1]
			packages.value = float64(l.packages)
			start.value = l.startUp().median / base.startUp().median
			start.calm = tenth(l.starts) / tenth(base.starts)
		}
		g = append(g, packages, start)
	}
	size := goal{what: "size of a program with " + oursRun + ", MB", from: engine, limit: 4.6, format: "%.1f"}
	if b.linked == nil {
		size.missing = "was left out"
	} else {
		size.value = b.linked[1].megabytes()
	}
	return append(g, size)
}

func tenth(x []float64) float64 { return quantile(slices.Sorted(slices.Values(x)), 0.1) }

// linkedTable shows the programs.
func (b *bench) linkedTable() string {
	if b.linked == nil {
		return ""
	}
	rows := [][]string{{"program with", "packages", "size, MB", "start-up, µs", "x " + osExec}}
	base := b.linked[0].startUp().median
	for _, l := range b.linked {
		q := l.startUp()
		rows = append(rows, []string{
			l.title, fmt.Sprint(l.packages), fmt.Sprintf("%.1f", l.megabytes()), spread(q), fmt.Sprintf("%.2f", q.median/base),
		})
	}
	return section(linkedScenario, table(rows))
}
