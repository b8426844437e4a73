//go:build linux

package main

import (
	"errors"
	"math"
	"os"
	"syscall"
	"time"
)

// Scenarios that goals refer to.
const (
	tinyScenario    = "tiny program"
	dynamicScenario = "true(1)"
	captureScenario = "captured output"
	outputScenario  = "Output"

	nullStdio = ", /dev/null as stdio"
)

// programSteps are those of the tiny program and, with fewer rounds, of the two
// others.
func programSteps(s size) int { return s.rounds + 1 + 2*(s.sweepRounds+1) }

// runPrograms compares all peers on the three programs, and collects facts about
// the Go peer on the way.
func (b *bench) runPrograms() error {
	peers := map[string]*peer{}
	for _, l := range b.langs {
		p, err := startPeer(b.ctx, l.name, l.argv)
		if err != nil {
			return err
		}
		defer p.stop()
		peers[l.name] = p
	}
	if err := b.runRounds(b.size.rounds, b.tinySeries(peers)); err != nil {
		return err
	}
	if b.programs.dynamic == "" {
		b.skip("scenario %s: no such program", dynamicScenario)
	} else if err := b.runRounds(b.size.sweepRounds, b.eachMethod(peers, dynamicScenario, "inherit", b.programs.dynamic)); err != nil {
		return err
	}
	if err := b.runRounds(b.size.sweepRounds, b.captureSeries(peers)); err != nil {
		return err
	}
	if err := b.collectFacts(peers["Go"]); err != nil {
		return err
	}
	return b.collectStuck()
}

// eachMethod makes a series of every method of every peer.
func (b *bench) eachMethod(peers map[string]*peer, name, kind, path string) []*series {
	var all []*series
	for _, l := range b.langs {
		for _, m := range l.methods {
			all = append(all, &series{scenario: name, title: m.title, method: m.id, peer: peers[l.name],
				job: job{kind: kind, path: path, n: b.size.block, spawners: 1}})
		}
	}
	return all
}

// tinySeries is all methods with inherited stdio, and what os/exec does unless
// told otherwise, with ours to compare.
func (b *bench) tinySeries(peers map[string]*peer) []*series {
	all := b.eachMethod(peers, tinyScenario, "inherit", b.programs.tiny)
	all = append(all, b.ownSeries(peers)...)
	if b.other != "" {
		return append(all, b.otherSeries(peers)...)
	}
	p := peers["Go"]
	if hasWays {
		for _, m := range []method{goVfork, goFutex} {
			all = append(all, b.tinyOf(p, tinyScenario, m.title, m, "inherit", b.programs.tiny))
		}
	}
	return append(all,
		b.tinyOf(p, outputScenario, goExec.title, goExec, "output", b.programs.writer),
		b.tinyOf(p, tinyScenario, goExec.title+nullStdio, goExec, "null", b.programs.tiny))
}

// tinyOf is a series beside those of all methods.
func (b *bench) tinyOf(p *peer, scenario, title string, m method, kind, path string) *series {
	return &series{scenario: scenario, title: title, method: m.id, peer: p, job: job{kind: kind, path: path, n: b.size.block, spawners: 1}}
}

// captureSeries leaves out the methods that have nothing to do with pipes.
func (b *bench) captureSeries(peers map[string]*peer) []*series {
	var all []*series
	for _, s := range b.eachMethod(peers, captureScenario, "capture", b.programs.writer) {
		if s.method != goProgram.id && s.method != goForkExec.id {
			all = append(all, s)
		}
	}
	return all
}

// collectFacts asks for allocations.
func (b *bench) collectFacts(p *peer) error {
	const n = 1000
	for _, a := range []struct {
		method method
		kind   string
		allocs *float64
	}{
		{goProgram, "inherit", &b.facts.allocs}, {goRun, "inherit", &b.facts.runs},
		{goCmd, "null", &b.facts.cmds}, {goExec, "null", &b.facts.execs},
	} {
		r, err := p.ask("allocs", a.method.id, a.kind, b.programs.tiny, n)
		if err != nil {
			return err
		}
		// What the runtime allocates now and then is no spawn's.
		*a.allocs = math.Floor(float64(r[0]) / n)
	}
	return nil
}

// stuckPatience is how long a garbage collection may take before it counts as
// one that does not end.
const stuckPatience = 10 * time.Second

// collectStuck measures garbage collection while a child is stuck before exec,
// in a peer of its own, which may hang.
func (b *bench) collectStuck() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	fifo := b.path("fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		return err
	}
	begin := time.Now()
	r, err := p.askWithin(stuckPatience, "stuck", fifo)
	if err == nil {
		b.facts.stuckGC = float64(r[0])
		return nil
	}
	if time.Since(begin) < stuckPatience {
		return err
	}
	b.facts.stuckGC = math.Inf(1)
	// A writer lets the child go on, if it is still there.
	w, err := os.OpenFile(fifo, os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if errors.Is(err, syscall.ENXIO) {
		return nil
	}
	if err != nil {
		return err
	}
	return w.Close()
}
