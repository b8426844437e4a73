//go:build linux

package main

import (
	"fmt"
	"slices"
	"strings"
)

// A figure is a number that the pages quote, by its name.
type figure struct {
	name string
	of   func(*bench) string // empty if it was not measured
}

// figures are in the order of the report.
var figures = []figure{
	{"cmd", over(tinyScenario, 0, oursCmd+nullStdio, osExec+nullStdio)},
	{"cmd-gain", (*bench).gain},
	{"output", over(outputScenario, 0, oursCmd, osExec)},
	{"program-exec", over(tinyScenario, 0, oursProgram, osExec+nullStdio)},
	{"program", over(tinyScenario, 0, oursProgram, osExec)},
	{"program-posix", over(tinyScenario, 0, oursProgram, cPosixSpawn)},
	{"program-vfork", over(tinyScenario, 0, oursProgram, cVfork)},
	{"program-careful", over(tinyScenario, 0, oursProgram, cCareful)},
	{"run", over(tinyScenario, 0, oursRun, osExec)},
	{"run-vfork", over(tinyScenario, 0, oursRun, cVfork)},
	{"vfork", over(tinyScenario, 0, cVfork, osExec)},
	{"careful-vfork", over(tinyScenario, 0, cCareful, cVfork)},
	{"futex", over(tinyScenario, 0, waysFutex, waysVfork)},
	{"dynamic-run", over(dynamicScenario, 0, oursRun, osExec)},
	{"dynamic-cmd", over(dynamicScenario, 0, oursCmd, osExec)},
	{"capture-cmd-posix", over(captureScenario, 0, oursCmd, cPosixSpawn)},
	{"capture-run-posix", over(captureScenario, 0, oursRun, cPosixSpawn)},
	{"vfork-capture", over(captureScenario, 0, cVfork, osExec)},
	{"large", over(largeScenario, 0, oursCmd, osExec)},
	{"files-1000", over(filesScenario, 1000, oursRun, osExec)},
	{"files-5000", over(filesScenario, 5000, oursRun, osExec)},
	{"files-15000", over(filesScenario, 15000, oursRun, osExec)},
	{"pipes-15000", over(pipesScenario, 15000, oursRun, osExec)},
	{"files-flat", flat(filesScenario, oursRun, 15000, 10)},
	{"heap-flat", flat(heapScenario, oursProgram, 4, 0)},
	{"combined-flat", flat(combinedScenario, oursAll, 4, 0)},
	{"mapped-flat", flat(mappedScenario, oursRun, 64, 0)},
	{"spawners-least", func(b *bench) string { return b.spawnersMost(slices.Min[[]float64]) }},
	{"spawners-most", func(b *bench) string { return b.spawnersMost(slices.Max[[]float64]) }},
	{"spawners-64", over(spawnersScenario, 64, oursProgram, osExec)},
	{"throughput-64", over(spawnersScenario, 64, osExec, oursProgram)},
	{"throughput-64-run", over(spawnersScenario, 64, osExec, oursRun)},
	{"http-p50", suffered("HTTP p50", oursRun)},
	{"http-p50-cmd", suffered("HTTP p50", oursCmd)},
	{"http-p99", suffered("HTTP p99", oursRun)},
	{"http-p99-cmd", suffered("HTTP p99", oursCmd)},
	{"queue-p50", suffered("run queue p50", oursRun)},
	{"queue-p99", suffered("run queue p99", oursRun)},
	{"threads", threads(goLive.title)},
	{"threads-exec", threads(osExec)},
	{"allocs-program", fact(func(f facts) float64 { return f.allocs })},
	{"allocs-exec", fact(func(f facts) float64 { return f.execs })},
	{"packages-cmd", linkedFigure(2, func(l, _ *linkedProgram) string { return fmt.Sprint(l.packages) })},
	{"size-exec", linkedFigure(0, func(l, _ *linkedProgram) string { return fmt.Sprintf("%.1f", l.megabytes()) })},
	{"size-cmd", linkedFigure(2, func(l, _ *linkedProgram) string { return fmt.Sprintf("%.1f", l.megabytes()) })},
	{"size-cmd-more", linkedFigure(2, func(l, base *linkedProgram) string { return fmt.Sprintf("%.1f", l.megabytes()-base.megabytes()) })},
	{"start-cmd-more", linkedFigure(2, func(l, base *linkedProgram) string {
		return fmt.Sprintf("%.1f", microseconds(l.startUp().median-base.startUp().median)/1000)
	})},
}

// over is the ratio of two methods.
func over(scenario string, x float64, title, base string) func(*bench) string {
	return func(b *bench) string { return ratioText(ratio, b.find(scenario, x, title), b.find(scenario, x, base)) }
}

// flat is the ratio of one method to itself, where much has grown.
func flat(scenario, title string, much, little float64) func(*bench) string {
	return func(b *bench) string {
		return ratioText(ratio, b.find(scenario, much, title), b.find(scenario, little, title))
	}
}

// gain is by how much Run of package exec is faster than that of os/exec.
func (b *bench) gain() string {
	s, base := b.find(tinyScenario, 0, oursCmd+nullStdio), b.find(tinyScenario, 0, osExec+nullStdio)
	if s == nil || base == nil {
		return ""
	}
	return count(microseconds(differenceOf(base.costs(), s.costs())))
}

// spawnersMost is of the ratios of spawn.Run by several goroutines at once.
func (b *bench) spawnersMost(most func([]float64) float64) string {
	var ratios []float64
	for _, n := range b.size.spawners[1:] {
		s, base := b.find(spawnersScenario, float64(n), oursRun), b.find(spawnersScenario, float64(n), osExec)
		if s != nil && base != nil {
			ratios = append(ratios, ratio(s, base))
		}
	}
	if ratios == nil {
		return ""
	}
	return fmt.Sprintf("%.2f", most(ratios))
}

// suffered is a figure of the server, compared with os/exec.
func suffered(name, title string) func(*bench) string {
	return func(b *bench) string {
		s, base := b.findParent(title), b.findParent(osExec)
		if s == nil || base == nil {
			return ""
		}
		i := slices.IndexFunc(parentFigures, func(f parentFigure) bool { return f.name == name })
		return fmt.Sprintf("%.2f", ratioOf(s.each(parentFigures[i].of), base.each(parentFigures[i].of)))
	}
}

// threads are those while 5,000 children live.
func threads(title string) func(*bench) string {
	return func(b *bench) string {
		r := b.findLive(title, 5000)
		if r == nil {
			return ""
		}
		return thousands(r.threads)
	}
}

// thousands writes a number with a comma, if it needs one.
func thousands(n int64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

func fact(of func(facts) float64) func(*bench) string {
	return func(b *bench) string {
		if n := of(b.facts); n >= 0 {
			return count(n)
		}
		return ""
	}
}

func linkedFigure(i int, of func(l, base *linkedProgram) string) func(*bench) string {
	return func(b *bench) string {
		if b.linked == nil {
			return ""
		}
		return of(b.linked[i], b.linked[0])
	}
}

// figureTable has those that were measured.
func (b *bench) figureTable() string {
	rows := [][]string{{"name", "value"}}
	for _, f := range figures {
		if value := f.of(b); value != "" {
			rows = append(rows, []string{f.name, value})
		}
	}
	return section(figuresSection, table(rows))
}

// section is a part of the report, marked for pages that have the same part.
func section(title, text string) string {
	return "\n## " + title + "\n\n" + begin(title) + "\n" + strings.TrimSuffix(text, "\n") + "\n" + end + "\n"
}
