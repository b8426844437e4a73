//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// bench is one run of the benchmark.
type bench struct {
	ctx      context.Context
	size     size
	only     *regexp.Regexp // scenarios to be run; nil: all
	dir      string         // of programs and peers, temporary
	log      io.Writer
	programs programs
	machine  machine
	langs    []language
	other    string // version of the library to compare with, if any: its name
	progress *progress
	times    []scenarioTime

	// What was found.
	skipped  []string
	series   []*series
	live     []liveResult
	parent   []*parentSeries
	linked   []*linkedProgram // os/exec is the first; nil where it was left out
	attrs    []*attrResult    // the first is of none
	compiled []compiledResult
	facts    facts
}

// facts are results that aren't times of spawns. A negative one is unknown.
type facts struct {
	allocs  float64 // of Program.Start and Wait
	runs    float64 // of spawn.Run
	cmds    float64 // of Run of spawn/exec
	execs   float64 // of that of os/exec
	stuckGC float64 // ns of a garbage collection; infinite if it did not end
	spawns  int     // after which was looked what is left
	left    []int64 // files, goroutines, children, threads more than before
}

// size is how much is measured.
type size struct {
	rounds, block int   // rounds with the tiny program, spawns in a block
	sweepRounds   int   // rounds of every other scenario
	heaps         []int // GiB
	files         []int
	spawners      []int
	live          []int
	parentRounds  int   // with a server
	parentMS      int   // of such a round
	sleeps        []int // µs that children live
	mapped        []int // GiB
	programs      []int // compiled Programs
	attrMS        int   // of spawns with each attribute, for their processor time
	leak          int   // spawns after which nothing may be left
}

var quickSize = size{
	rounds: 40, block: 50, sweepRounds: 25,
	heaps:    []int{0, 1, 4},
	files:    []int{10, 100, 1000, 5000, 15000},
	spawners: []int{1, 4, 16, 64},
	live:     []int{10, 100, 1000, 5000},

	parentRounds: 6, parentMS: 600,
	sleeps:   []int{10, 100, 500, 5000},
	mapped:   []int{0, 64},
	programs: []int{10_000},
	attrMS:   300,
	leak:     10_000,
}

var fullSize = size{
	rounds: 150, block: 100, sweepRounds: 60,
	heaps:    []int{0, 1, 4, 8},
	files:    []int{10, 100, 1000, 5000, 15000, 1_000_000},
	spawners: []int{1, 2, 4, 8, 16, 32, 64},
	live:     []int{10, 100, 500, 1000, 2000, 5000, 20_000},

	parentRounds: 25, parentMS: 1000,
	sleeps:   []int{10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000},
	mapped:   []int{0, 64},
	programs: []int{10, 1000, 10_000},
	attrMS:   2000,
	leak:     1_000_000,
}

// newBench finds peers and makes everything ready in dir. tools are programs to take for
// a language in place of those in PATH.
func newBench(ctx context.Context, size size, tools map[string]string, dir string, log io.Writer) (*bench, error) {
	b := &bench{ctx: ctx, size: size, dir: dir, log: log, facts: facts{allocs: -1, runs: -1, cmds: -1, execs: -1, stuckGC: -1}}
	var err error
	if b.machine, err = describeMachine(); err != nil {
		return nil, err
	}
	if b.programs, err = makePrograms(dir, size.sleeps); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b.langs = []language{{
		name:    "Go",
		argv:    []string{exe, peerArg},
		methods: []method{goRun, goProgram, goCmd, goExec, goStartProcess, goForkExec},
	}}
	for _, l := range languages() {
		if tool := tools[l.name]; tool != "" {
			l.tool = tool
		}
		version, err := l.prepare(ctx, dir)
		if err != nil {
			b.skip("peer %s: %v", l.name, err)
			continue
		}
		b.machine.tools = append(b.machine.tools, fmt.Sprintf("%s: %s", l.name, version))
		b.langs = append(b.langs, l)
	}
	return b, ctx.Err()
}

func (b *bench) skip(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	b.skipped = append(b.skipped, line)
	fmt.Fprintln(b.log, "skipped:", line)
}

// start starts the peer of a language; nil if there is none.
func (b *bench) start(name string) (*peer, error) {
	for _, l := range b.langs {
		if l.name == name {
			return startPeer(b.ctx, name, l.argv)
		}
	}
	return nil, nil
}

// scenario is a group of measurements that share peers.
type scenario struct {
	name  string
	steps func(size) int // of progress
	run   func(*bench) error
}

var scenarios = []scenario{
	{"programs", programSteps, (*bench).runPrograms},
	{"heap", sweepSteps, (*bench).runHeaps},
	{combinedScenario, sweepSteps, (*bench).runCombined},
	{"open files", sweepSteps, (*bench).runFiles},
	{"spawners", sweepSteps, (*bench).runSpawners},
	{"live children", liveSteps, (*bench).runLive},
	{"server", parentSteps, (*bench).runParent},
	{"waiting", sweepSteps, (*bench).runWaits},
	{largeScenario, sweepSteps, (*bench).runLarge},
	{attrScenario, attrSteps, (*bench).runAttributes},
	{mappedScenario, sweepSteps, (*bench).runMapped},
	{"compiled", compiledSteps, (*bench).runCompiled},
	{"leaks", leakSteps, (*bench).runLeaks},
	{linkedScenario, linkedSteps, (*bench).runLinked},
}

func sweepSteps(s size) int { return s.sweepRounds + 1 }

// run measures everything.
func (b *bench) run() error {
	wanted := slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return b.only != nil && !b.only.MatchString(s.name) })
	steps := 0
	for _, s := range wanted {
		steps += s.steps(b.size)
	}
	b.progress = newProgress(steps)
	defer b.progress.finish()
	for _, s := range wanted {
		b.progress.say(s.name)
		begin := time.Now()
		if err := s.run(b); err != nil {
			return err
		}
		b.times = append(b.times, scenarioTime{s.name, time.Since(begin)})
		fmt.Fprintf(b.log, "%s: %s\n", s.name, minutes(time.Since(begin)))
	}
	return nil
}

// scenarioTime is how long a scenario took.
type scenarioTime struct {
	name string
	took time.Duration
}

func (b *bench) took() (sum time.Duration) {
	for _, t := range b.times {
		sum += t.took
	}
	return sum
}

func (b *bench) tookEach() []string {
	var l []string
	for _, t := range b.times {
		l = append(l, t.name+" "+minutes(t.took))
	}
	return l
}

// minutes writes a time in minutes and seconds.
func minutes(d time.Duration) string { return d.Round(time.Second).String() }

// path names a file in the temporary directory.
func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }
