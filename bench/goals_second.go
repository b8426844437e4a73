//go:build linux

package main

import "fmt"

// secondGoals are stricter ones, and those of work that was not measured at first.
func (b *bench) secondGoals() []goal {
	var g []goal
	for _, l := range []struct {
		scenario, ours, base, suffix string
		limit                        float64
	}{
		{tinyScenario, oursProgram, cCareful, "", 1.02},
		{tinyScenario, oursRun, cVfork, "", 1.08},
		{tinyScenario, oursCmd, osExec, nullStdio, 0.66},
		{outputScenario, oursCmd, osExec, "", 0.45},
		{largeScenario, oursCmd, osExec, "", 1},
	} {
		g = append(g, ratioGoal(fmt.Sprintf("%s, %s / %s%s", l.scenario, l.ours, l.base, l.suffix), second, l.limit,
			b.find(l.scenario, 0, l.ours+l.suffix), b.find(l.scenario, 0, l.base+l.suffix)))
	}
	for _, ours := range []string{waitsProgram, oursCmd} {
		g = append(g, b.lifeGoal(ours))
	}
	return append(g, b.mappedGoal())
}

// lifeGoal compares waiting: the worst of all times that children live.
func (b *bench) lifeGoal(ours string) goal {
	worst := goal{what: ours + " / " + osExec + ", the worst of all lives", from: second, missing: "was left out"}
	for _, us := range append([]int{0}, b.size.sleeps...) {
		g := ratioGoal(fmt.Sprintf("%s / %s, child of %d µs, the worst of all lives", ours, osExec, us), second, 1,
			b.find(waitScenario, float64(us), ours), b.find(waitScenario, float64(us), osExec))
		if worst.missing != "" || g.value > worst.value {
			worst = g
		}
	}
	return worst
}

func (b *bench) mappedGoal() goal {
	most := b.size.mapped[len(b.size.mapped)-1]
	return ratioGoal(fmt.Sprintf("%s, %d GiB mapped and not touched / none", oursRun, most), second, 1.2,
		b.find(mappedScenario, float64(most), oursRun), b.find(mappedScenario, 0, oursRun))
}
