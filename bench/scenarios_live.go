//go:build linux

package main

// liveResult is what n children that are waited for cost this process.
type liveResult struct {
	title        string
	n            int
	threads      int64 // in all
	rss, rssMore int64 // bytes, and more than before
}

// goLive starts a child and waits for it in a goroutine.
var goLive = method{"run", "spawn.Start+Wait"}

var liveMethods = []method{goLive, goExec}

func liveSteps(s size) int { return len(liveMethods) * len(s.live) }

// runLive waits for different numbers of children, each time in a peer of its
// own, since threads and memory are not given back.
func (b *bench) runLive() error {
	for _, n := range b.size.live {
		if n+spareFiles > int(b.machine.noFile) { // a pidfd each
			b.skip("%d live children: RLIMIT_NOFILE is %d", n, b.machine.noFile)
			continue
		}
		for _, m := range liveMethods {
			r, err := b.liveOnce(m, n)
			if err != nil {
				return err
			}
			b.live = append(b.live, r)
			b.progress.step()
		}
	}
	return nil
}

func (b *bench) liveOnce(m method, n int) (liveResult, error) {
	p, err := b.start("Go")
	if err != nil {
		return liveResult{}, err
	}
	defer p.stop()
	r, err := p.ask("live", m.id, b.programs.sleeper, n)
	if err != nil {
		return liveResult{}, err
	}
	return liveResult{title: m.title, n: n, threads: r[2], rss: r[3], rssMore: r[3] - r[1]}, nil
}

// leakPart is how many spawns are asked for at a time.
const leakPart = 10_000

func leakSteps(s size) int { return s.leak / leakPart }

// runLeaks spawns many times, and looks what is left.
func (b *bench) runLeaks() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	spawns := func(n int) error {
		_, err := p.run(goProgram.id, job{kind: "inherit", path: b.programs.tiny, n: n, spawners: 1})
		return err
	}
	if err := spawns(leakPart); err != nil { // what is made once is made here
		return err
	}
	before, err := p.ask("left")
	if err != nil {
		return err
	}
	for range leakSteps(b.size) {
		if err := spawns(leakPart); err != nil {
			return err
		}
		b.facts.spawns += leakPart
		b.progress.step()
	}
	after, err := p.ask("left")
	if err != nil {
		return err
	}
	for i := range after {
		b.facts.left = append(b.facts.left, after[i]-before[i])
	}
	return nil
}

// findLive returns a result, or nil.
func (b *bench) findLive(title string, n int) *liveResult {
	for i := range b.live {
		if r := &b.live[i]; r.title == title && r.n == n {
			return r
		}
	}
	return nil
}
