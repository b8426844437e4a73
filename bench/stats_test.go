//go:build linux

package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestQuartiles(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want quartiles
	}{
		{nil, quartiles{}},
		{[]float64{7}, quartiles{7, 7, 7}},
		{[]float64{5, 1, 3, 2, 4}, quartiles{2, 3, 4}},
		{[]float64{4, 1, 2, 3}, quartiles{1.75, 2.5, 3.25}},
	} {
		if got := quartilesOf(c.in); got != c.want {
			t.Errorf("%v: got %v, want %v", c.in, got, c.want)
		}
	}
}

// blocks makes a series of blocks of three spawns, the last of them slow.
func blocks(shared bool, each ...time.Duration) *series {
	s := &series{job: job{shared: shared}}
	for _, d := range each {
		s.blocks = append(s.blocks, block{total: 12 * d, each: []time.Duration{d, d, 10 * d}})
	}
	return s
}

func TestRatioIsByRound(t *testing.T) {
	// The machine is three times slower in the last round.
	a, base := blocks(false, 10, 12, 30), blocks(false, 20, 24, 60)
	if r := ratio(a, base); r != 0.5 {
		t.Errorf("ratio %v, want 0.5", r)
	}
	if got := a.costs(); got[0] != 10 {
		t.Errorf("cost %v, want that of a typical spawn", got[0])
	}
	if got := blocks(true, 10).costs(); got[0] != 40 {
		t.Errorf("cost %v of a shared block, want the mean", got[0])
	}
}

func TestGoals(t *testing.T) {
	for _, c := range []struct {
		goal goal
		want string
	}{
		{goal{limit: 0.6, value: 0.6}, "PASS"},
		{goal{limit: 0.6, value: 0.61}, "SHORT"},
		{goal{limit: 0, value: 1}, "SHORT"},
		{goal{limit: 2.2, value: 2.1, atLeast: true}, "SHORT"},
		{goal{limit: 2.2, value: 2.3, atLeast: true}, "PASS"},
		{goal{limit: 1, value: math.Inf(1)}, "SHORT"},
		{goal{limit: 1, value: 2, missing: "no peer"}, "-"},
		{ratioGoal("", "", 0.5, blocks(false, 10), blocks(false, 20)), "PASS"},
		{ratioGoal("", "", 0.5, nil, blocks(false, 20)), "-"},
	} {
		c.goal.format = "%.2f"
		if got := c.goal.verdict(); got != c.want {
			t.Errorf("%v: %s, want %s", c.goal, got, c.want)
		}
		if got, want := short([]goal{c.goal}), c.want == "SHORT"; got != want {
			t.Errorf("%v: short is %v", c.goal, got)
		}
		if !strings.HasPrefix(c.goal.String(), c.want) {
			t.Errorf("printed as %q", c.goal)
		}
	}
}
