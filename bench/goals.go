//go:build linux

package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// goal is something to be reached, and what this run has.
type goal struct {
	what    string
	from    string // where it is set
	limit   float64
	atLeast bool // the limit is a lower one
	value   float64
	calm    float64 // the same by the fastest tenth of the spawns; 0 where it makes no sense
	format  string  // of value and limit
	missing string  // why there is no value
}

// Where goals are set.
const (
	design = "goal"
	engine = "engine"
	dropIn = "drop-in"
	floor  = "floor"
	batch  = "batch"
	parent = "parent"
	both   = design + ", " + engine
	second = "second round"
)

func (g goal) reached() bool {
	if g.atLeast {
		return g.value >= g.limit
	}
	return g.value <= g.limit
}

// shortfall is by how much the goal is missed.
func (g goal) shortfall() string {
	if g.limit == 0 {
		return fmt.Sprintf("by "+g.format, g.value)
	}
	return fmt.Sprintf("by %.0f %%", 100*math.Abs(g.value-g.limit)/g.limit)
}

// verdict is PASS, SHORT or, where nothing was measured, a dash.
func (g goal) verdict() string {
	switch {
	case g.missing != "":
		return "-"
	case g.reached():
		return "PASS"
	}
	return "SHORT"
}

// figures are value and limit, or why there is none.
func (g goal) figures() string {
	if g.missing != "" {
		return "not measured: " + g.missing
	}
	sign := "<="
	if g.atLeast {
		sign = ">="
	}
	s := fmt.Sprintf(g.format, g.value)
	if g.calm != 0 {
		s += fmt.Sprintf(" (p10 "+g.format+")", g.calm)
	}
	s += fmt.Sprintf(", goal "+sign+" "+g.format, g.limit)
	if !g.reached() {
		s += ", short " + g.shortfall()
	}
	return s
}

func (g goal) String() string {
	return fmt.Sprintf("%-5s  %s: %s (%s)", g.verdict(), g.what, g.figures(), g.from)
}

// goals judges the run.
func (b *bench) goals() []goal {
	g := b.tinyGoals()
	g = append(g, b.spawnerGoals()...)
	g = append(g, b.filesGoals()...)
	g = append(g, b.heapGoals()...)
	g = append(g, b.liveGoal())
	g = append(g, b.parentGoals()...)
	g = append(g, b.linkedGoals()...)
	g = append(g, b.secondGoals()...)
	return append(g, b.factGoals()...)
}

// ratioGoal compares the costs of two series.
func ratioGoal(what, from string, limit float64, s, base *series) goal {
	g := goal{what: what, from: from, limit: limit, format: "%.2f"}
	if s == nil || base == nil {
		g.missing = "a peer or size was left out"
	} else {
		g.value = ratio(s, base)
		if !s.job.shared {
			g.calm = quantile(s.latencies(), 0.1) / quantile(base.latencies(), 0.1)
		}
	}
	return g
}

func (b *bench) tinyGoals() []goal {
	limits := []struct {
		base  string
		limit float64
		from  string
	}{
		{osExec, 0.60, design}, {osExec, 0.65, engine},
		{cPosixSpawn, 0.90, design}, {cPosixSpawn, 1.00, engine},
		{cVfork, 1.00, design}, {cCareful, 1.00, floor},
	}
	var g []goal
	for _, l := range limits {
		for _, ours := range []string{oursRun, oursProgram} {
			g = append(g, ratioGoal(fmt.Sprintf("%s, %s / %s", tinyScenario, ours, l.base), l.from, l.limit,
				b.find(tinyScenario, 0, ours), b.find(tinyScenario, 0, l.base)))
		}
	}
	g = append(g, ratioGoal(fmt.Sprintf("%s, Run with nil stdio, %s / %s", tinyScenario, oursCmd, osExec), dropIn, 0.70,
		b.find(tinyScenario, 0, oursCmd+nullStdio), b.find(tinyScenario, 0, osExec+nullStdio)))
	if hasWays {
		// What can wait is waited for in the second way; it must not cost much.
		g = append(g, ratioGoal(fmt.Sprintf("%s, %s / %s", tinyScenario, waysFutex, waysVfork), engine, 1.05,
			b.find(tinyScenario, 0, waysFutex), b.find(tinyScenario, 0, waysVfork)))
	}
	g = append(g, ratioGoal(fmt.Sprintf("tiny program, Program.Start+Wait / Run of %s with nil stdio", osExec), design, 0.60,
		b.find(tinyScenario, 0, oursProgram), b.find(tinyScenario, 0, osExec+nullStdio)))
	return append(g, ratioGoal(fmt.Sprintf("Output, %s / %s", oursCmd, osExec), dropIn, 0.75,
		b.find(outputScenario, 0, oursCmd), b.find(outputScenario, 0, osExec)))
}

func (b *bench) spawnerGoals() []goal {
	var g []goal
	for _, ours := range []string{oursRun, oursProgram} {
		// Throughput is the inverse of the time.
		x := ratioGoal(fmt.Sprintf("throughput of 64 goroutines, %s / %s", ours, osExec), design, 2.2,
			b.find(spawnersScenario, 64, osExec), b.find(spawnersScenario, 64, ours))
		x.atLeast = true
		g = append(g, x)
	}
	for _, ours := range []string{oursRun, oursProgram} {
		g = append(g, b.batchGoal(ours))
	}
	return g
}

// batchGoal compares spawning at once with one by one: the worst of all numbers
// of goroutines.
func (b *bench) batchGoal(ours string) goal {
	worst := goal{what: ours + " by many goroutines at once / by one", from: batch, missing: "size was left out"}
	for _, n := range b.size.spawners[1:] {
		g := ratioGoal(fmt.Sprintf("%s by %d goroutines at once / by one, the worst of all", ours, n), batch, 1,
			b.find(spawnersScenario, float64(n), ours), b.find(spawnersScenario, 1, ours))
		if worst.missing != "" || g.value > worst.value {
			worst = g
		}
	}
	return worst
}

// parentGoals compare what a server suffers.
func (b *bench) parentGoals() []goal {
	var g []goal
	base := b.findParent(osExec)
	for _, ours := range []string{oursRun, oursCmd} {
		for _, f := range parentFigures {
			x := goal{what: fmt.Sprintf("server that spawns, %s, %s / %s", f.name, ours, osExec), from: parent, limit: 1, format: "%.2f"}
			if s := b.findParent(ours); s == nil || base == nil {
				x.missing = "was left out"
			} else if x.value = ratioOf(s.each(f.of), base.each(f.of)); x.value == 0 {
				x.missing = "nothing was counted"
			}
			g = append(g, x)
		}
	}
	return g
}

func (b *bench) filesGoals() []goal {
	const many, few = 15000, 10
	g := []goal{ratioGoal(fmt.Sprintf("%d open files, three pipes as stdio, %s / %s", many, oursRun, osExec), design, 0.12,
		b.find(pipesScenario, many, oursRun), b.find(pipesScenario, many, osExec))}
	for _, ours := range []string{oursRun, oursProgram} {
		g = append(g, ratioGoal(fmt.Sprintf("%s, %d / %d open files", ours, many, few), both, 1.3,
			b.find(filesScenario, many, ours), b.find(filesScenario, few, ours)))
	}
	return append(g, ratioGoal(fmt.Sprintf("%s, %d / %d open files, three pipes as stdio", oursRun, many, few), design, 1.3,
		b.find(pipesScenario, many, oursRun), b.find(pipesScenario, few, oursRun)))
}

func (b *bench) heapGoals() []goal {
	var g []goal
	for _, h := range []struct {
		gib  float64
		from string
	}{{4, engine}, {8, design}} {
		for _, ours := range []string{oursRun, oursProgram} {
			g = append(g, ratioGoal(fmt.Sprintf("%s, heap of %v GiB / none", ours, h.gib), h.from, 1.2,
				b.find(heapScenario, h.gib, ours), b.find(heapScenario, 0, ours)))
		}
	}
	for _, gib := range []float64{4, 8} {
		g = append(g, ratioGoal(fmt.Sprintf("%s, heap of %v GiB / none", oursUserNS, gib), design, 1.2,
			b.find(heapScenario, gib, oursUserNS), b.find(heapScenario, 0, oursUserNS)))
	}
	return append(g, ratioGoal(oursAll+", heap of 4 GiB / none", design, 1.2,
		b.find(combinedScenario, 4, oursAll), b.find(combinedScenario, 0, oursAll)))
}

func (b *bench) liveGoal() goal {
	const n = 5000
	g := goal{what: fmt.Sprintf("threads with %d live children", n), from: design, limit: 20, format: "%.0f"}
	if r := b.findLive(goLive.title, n); r != nil {
		g.value = float64(r.threads)
	} else {
		g.missing = "size was left out"
	}
	return g
}

func (b *bench) factGoals() []goal {
	fact := func(what, from string, limit, value float64, format string) goal {
		g := goal{what: what, from: from, limit: limit, value: value, format: format}
		if value < 0 {
			g.missing = "was left out"
		}
		return g
	}
	return append([]goal{
		fact("allocations of "+oursProgram, both, 4, b.facts.allocs, "%.0f"),
		fact("allocations of Run of "+oursCmd, design, 20, b.facts.cmds, "%.0f"),
		fact("garbage collection while a child is stuck before exec, ms", design, 100, b.facts.stuckGC/1e6, "%.1f"),
	}, b.leftGoals()...)
}

// leftKinds are what the answer to "left" counts, in its order.
var leftKinds = []string{"files", "goroutines", "children", "threads"}

// leftGoals are a goal for each kind, as a thread more is one that the runtime keeps.
func (b *bench) leftGoals() []goal {
	var goals []goal
	for i, kind := range leftKinds {
		g := goal{what: fmt.Sprintf("%s left by %d spawns", kind, b.facts.spawns), from: design, format: "%.0f"}
		if b.facts.left == nil {
			g.missing = "size was left out"
		} else {
			g.value = float64(max(b.facts.left[i], 0))
		}
		goals = append(goals, g)
	}
	return goals
}

// short reports whether a goal was measured and not reached.
func short(goals []goal) bool {
	return slices.ContainsFunc(goals, func(g goal) bool { return g.missing == "" && !g.reached() })
}

// goalLines are all goals, one a line.
func goalLines(goals []goal) string {
	var b strings.Builder
	for _, g := range goals {
		b.WriteString(g.String() + "\n")
	}
	return b.String()
}
