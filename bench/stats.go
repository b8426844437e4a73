//go:build linux

package main

import (
	"slices"
	"time"
)

// quartiles is a median and its spread.
type quartiles struct{ low, median, high float64 }

// quartilesOf sorts a copy.
func quartilesOf(x []float64) quartiles {
	s := slices.Sorted(slices.Values(x))
	return quartiles{quantile(s, 0.25), quantile(s, 0.5), quantile(s, 0.75)}
}

// quantile of sorted values, between which it interpolates; 0 if there are none.
func quantile(sorted []float64, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 == len(sorted) {
		return sorted[i]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// series is one method of one peer in one scenario, and what it took.
type series struct {
	scenario string
	x        float64 // what the scenario varies, if it does
	title    string
	method   string
	peer     *peer
	job      job
	blocks   []block // one a round
}

// costs are what a spawn took in each round, in ns: the median of the single
// ones, and the mean where several goroutines spawn at once and share the time.
func (s *series) costs() []float64 {
	if s.job.shared {
		return s.means()
	}
	return s.perBlock(block.typical)
}

func (s *series) means() []float64 { return s.perBlock(block.mean) }

func (s *series) perBlock(f func(block) float64) []float64 {
	x := make([]float64, len(s.blocks))
	for i, b := range s.blocks {
		x[i] = f(b)
	}
	return x
}

// latencies of all spawns, sorted, in ns.
func (s *series) latencies() []float64 {
	var all []float64
	for _, b := range s.blocks {
		for _, d := range b.each {
			all = append(all, float64(d))
		}
	}
	slices.Sort(all)
	return all
}

// ratio compares the costs of two series.
func ratio(s, base *series) float64 { return ratioOf(s.costs(), base.costs()) }

// meanRatio compares their means.
func meanRatio(s, base *series) float64 { return ratioOf(s.means(), base.means()) }

// ratioOf is the median of the ratios round by round, so that what slows the
// machine down for a while slows both.
func ratioOf(a, b []float64) float64 { return quartilesOf(ratiosOf(a, b)).median }

// ratiosOf are the ratios round by round. A round without a base is left out.
func ratiosOf(a, b []float64) []float64 {
	var r []float64
	for i := range min(len(a), len(b)) {
		if b[i] != 0 {
			r = append(r, a[i]/b[i])
		}
	}
	return r
}

func microseconds(ns float64) float64 { return ns / float64(time.Microsecond) }

// differenceOf is the median of the differences round by round.
func differenceOf(a, b []float64) float64 {
	var d []float64
	for i := range min(len(a), len(b)) {
		d = append(d, a[i]-b[i])
	}
	return quartilesOf(d).median
}
