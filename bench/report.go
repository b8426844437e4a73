//go:build linux

package main

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// write writes report, CSV files and plots to dir.
func (b *bench) write(dir, command string, goals []goal) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	plots, err := b.plots(dir)
	if err != nil {
		return err
	}
	report := b.report(command, goals, plots)
	if err := os.WriteFile(filepath.Join(dir, "report.md"), []byte(report), 0o644); err != nil {
		return err
	}
	if err := writeCSV(filepath.Join(dir, "results.csv"), b.resultRows()); err != nil {
		return err
	}
	if err := writeCSV(filepath.Join(dir, "rounds.csv"), b.roundRows()); err != nil {
		return err
	}
	if err := writeCSV(filepath.Join(dir, "server.csv"), b.parentRows()); err != nil {
		return err
	}
	return writeCSV(filepath.Join(dir, "live.csv"), b.liveRows())
}

// report is the Markdown page.
func (b *bench) report(command string, goals []goal, plots []string) string {
	var t strings.Builder
	fmt.Fprintf(&t, "# The cost of a spawn\n\nMade by `%s` in `bench/`.\n", command)
	t.WriteString(b.ofWhole(section(machineSection, b.machineList(command))))
	t.WriteString(explanation)
	t.WriteString(b.ofWhole(goalTable(goals)))
	for _, name := range []string{tinyScenario, dynamicScenario, captureScenario} {
		t.WriteString(b.peerTable(name))
	}
	for _, name := range []string{heapScenario, combinedScenario, filesScenario, pipesScenario, spawnersScenario} {
		t.WriteString(b.sweepTable(name))
	}
	t.WriteString(b.liveTable())
	t.WriteString(b.parentTable())
	t.WriteString(b.sweepTable(waitScenario))
	t.WriteString(b.peerTable(largeScenario))
	t.WriteString(b.attrTable())
	t.WriteString(b.sweepTable(mappedScenario))
	t.WriteString(b.compiledTable())
	t.WriteString(b.linkedTable())
	t.WriteString(b.allocTable())
	t.WriteString(b.figureTable())
	t.WriteString("\n## Plots\n\n")
	for _, p := range plots {
		fmt.Fprintf(&t, "![%s](%s)\n", strings.TrimSuffix(p, ".svg"), p)
	}
	return t.String()
}

const explanation = `
Times are in microseconds, from before the start to the end of the wait. All
peers run the same program with the same environment and, unless it says
otherwise, with their own standard streams inherited. They take turns, block by
block. "Median" is the median over all blocks of the median of a block's spawns,
with the quartiles over the blocks; "mean", the median over all blocks of the
mean of a block; p10, p90 and p99 are of single spawns, and p10 is what is least
changed by other work on the machine. Where several goroutines spawn
at once, the time is that from spawn to spawn. A ratio is the median of the
ratios of blocks that ran in the same round, and below 1 faster than the peer it
is taken against.
`

// ofWhole is a section that pages have of whole runs only.
func (b *bench) ofWhole(text string) string {
	if b.only != nil {
		return unmarked(text)
	}
	return text
}

// machineList says where the run was, what it had and lacked, and what it took.
func (b *bench) machineList(command string) string {
	lines := b.machine.lines()
	for _, s := range b.skipped {
		lines = append(lines, "left out: "+s)
	}
	lines = append(lines, fmt.Sprintf("command: `%s`, which took %s: %s", command, minutes(b.took()), strings.Join(b.tookEach(), ", ")))
	return "- " + strings.Join(lines, "\n- ")
}

func goalTable(goals []goal) string {
	rows := [][]string{{"", "what", "this run", "set by"}}
	for _, g := range goals {
		rows = append(rows, []string{g.verdict(), g.what, g.figures(), g.from})
	}
	return section(goalsSection, table(rows))
}

func (b *bench) allocTable() string {
	if b.facts.allocs < 0 {
		return ""
	}
	return section(allocsSection, table([][]string{
		{"", "allocations"},
		{oursProgram, count(b.facts.allocs)}, {oursRun, count(b.facts.runs)}, {oursCmd, count(b.facts.cmds)}, {osExec, count(b.facts.execs)},
	}))
}

// peerTable compares all methods in a scenario that varies nothing.
func (b *bench) peerTable(name string) string {
	rows := [][]string{{"", "median (quartiles)", "mean", "p10", "p90", "p99",
		"median x " + osExec, "x " + cVfork, "mean x " + osExec, "x " + cVfork}}
	for _, s := range b.series {
		if s.scenario != name {
			continue
		}
		exec, vfork, l := b.find(name, 0, osExec), b.find(name, 0, cVfork), s.latencies()
		rows = append(rows, []string{
			s.title, spread(quartilesOf(s.costs())), us(quartilesOf(s.means()).median),
			us(quantile(l, 0.1)), us(quantile(l, 0.9)), us(quantile(l, 0.99)),
			ratioText(ratio, s, exec), ratioText(ratio, s, vfork), ratioText(meanRatio, s, exec), ratioText(meanRatio, s, vfork),
		})
	}
	if len(rows) == 1 {
		return ""
	}
	return section(name, table(rows))
}

// sweepTable has a row for each value of what a scenario varies. Ratios are
// against os/exec at the same value.
func (b *bench) sweepTable(name string) string {
	var titles []string
	var xs []float64
	for _, s := range b.series {
		if s.scenario != name {
			continue
		}
		if !slices.Contains(titles, s.title) {
			titles = append(titles, s.title)
		}
		if !slices.Contains(xs, s.x) {
			xs = append(xs, s.x)
		}
	}
	if xs == nil {
		return ""
	}
	rows := [][]string{{unit[name]}}
	for _, title := range titles {
		rows[0] = append(rows[0], title)
		if title != osExec {
			rows[0] = append(rows[0], "x "+osExec)
		}
	}
	for _, x := range xs {
		row := []string{strconv.FormatFloat(x, 'f', -1, 64)}
		for _, title := range titles {
			s := b.find(name, x, title)
			if s == nil {
				row = append(row, "")
			} else {
				row = append(row, spread(quartilesOf(s.costs())))
			}
			if title != osExec {
				row = append(row, ratioText(ratio, s, b.find(name, x, osExec)))
			}
		}
		rows = append(rows, row)
	}
	return section(name, table(rows))
}

// unit is what a scenario varies.
var unit = map[string]string{
	heapScenario: "GiB", combinedScenario: "GiB", filesScenario: "files", pipesScenario: "files", spawnersScenario: "goroutines",
	waitScenario: "µs of the child", mappedScenario: "GiB",
}

func (b *bench) liveTable() string {
	if b.live == nil {
		return ""
	}
	return section(liveSection, table(b.liveRows()))
}

func (b *bench) liveRows() [][]string {
	rows := [][]string{{"", "children", "threads", "resident KiB", "more than before, KiB"}}
	for _, r := range b.live {
		rows = append(rows, []string{r.title, fmt.Sprint(r.n), fmt.Sprint(r.threads), fmt.Sprint(r.rss >> 10), fmt.Sprint(r.rssMore >> 10)})
	}
	return rows
}

func (b *bench) resultRows() [][]string {
	rows := [][]string{{"scenario", "x", "peer", "blocks", "spawns", "cost_q1_us", "cost_median_us", "cost_q3_us",
		"mean_us", "p10_us", "p50_us", "p90_us", "p99_us", "ratio_os_exec", "ratio_c_vfork", "mean_ratio_os_exec", "mean_ratio_c_vfork"}}
	for _, s := range b.series {
		exec, vfork := b.find(s.scenario, s.x, osExec), b.find(s.scenario, s.x, cVfork)
		c, l := quartilesOf(s.costs()), s.latencies()
		rows = append(rows, []string{
			s.scenario, fmt.Sprint(s.x), s.title, fmt.Sprint(len(s.blocks)), fmt.Sprint(len(l)),
			us(c.low), us(c.median), us(c.high), us(quartilesOf(s.means()).median),
			us(quantile(l, 0.1)), us(quantile(l, 0.5)), us(quantile(l, 0.9)), us(quantile(l, 0.99)),
			ratioText(ratio, s, exec), ratioText(ratio, s, vfork), ratioText(meanRatio, s, exec), ratioText(meanRatio, s, vfork),
		})
	}
	return rows
}

func (b *bench) roundRows() [][]string {
	rows := [][]string{{"scenario", "x", "peer", "round", "mean_us", "median_us"}}
	for _, s := range b.series {
		for i, block := range s.blocks {
			rows = append(rows, []string{s.scenario, fmt.Sprint(s.x), s.title, fmt.Sprint(i), us(block.mean()), us(block.typical())})
		}
	}
	return rows
}

func writeCSV(path string, rows [][]string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	err = csv.NewWriter(f).WriteAll(rows)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// table is a Markdown table, its columns aligned; the first row is the header.
func table(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], len(cell), 3)
		}
	}
	var t strings.Builder
	line := func(cells []string) {
		for i, w := range widths {
			fmt.Fprintf(&t, "| %-*s ", w, cells[i])
		}
		t.WriteString("|\n")
	}
	line(rows[0])
	rule := make([]string, len(widths))
	for i, w := range widths {
		rule[i] = strings.Repeat("-", w)
	}
	line(rule)
	for _, r := range rows[1:] {
		line(r)
	}
	return t.String()
}

func us(ns float64) string { return strconv.FormatFloat(microseconds(ns), 'f', 1, 64) }

func spread(q quartiles) string {
	return fmt.Sprintf("%s (%s-%s)", us(q.median), us(q.low), us(q.high))
}

func count(n float64) string { return strconv.FormatFloat(n, 'f', 0, 64) }

func ratioText(f func(s, base *series) float64, s, base *series) string {
	if s == nil || base == nil {
		return ""
	}
	return strconv.FormatFloat(f(s, base), 'f', 2, 64)
}
