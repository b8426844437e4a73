//go:build linux

package main

// Scenarios that vary something; x is what.
const (
	heapScenario     = "heap"       // GiB
	filesScenario    = "open files" // number
	pipesScenario    = "open files, pipes as stdio"
	spawnersScenario = "spawners"
	waitScenario     = "waiting" // µs
	mappedScenario   = "mapped"  // GiB
)

// runHeaps compares peers with heaps of different sizes that live side by side.
func (b *bench) runHeaps() error {
	peers, err := b.startHeaps()
	defer peers.stop()
	if err != nil {
		return err
	}
	var all []*series
	for _, h := range peers {
		all = append(all, b.sweep(heapScenario, float64(h.gib), h.peer, "inherit", goRun, goProgram, goUserNS, goExec, goForkExec)...)
	}
	return b.runRounds(b.size.sweepRounds, all)
}

// heapPeers are peers with heaps.
type heapPeers []heapPeer

type heapPeer struct {
	*peer
	gib int
}

func (h heapPeers) stop() {
	for _, p := range h {
		p.stop()
	}
}

// startHeaps starts one for each size that there is memory for. Those that it
// returns have to be stopped also where it fails.
func (b *bench) startHeaps() (peers heapPeers, err error) {
	budget := b.machine.freeMem - b.machine.freeMem/5
	for _, gib := range b.size.heaps {
		budget -= int64(gib) << 30
		if budget < 0 {
			b.skip("heap of %d GiB: not enough memory available", gib)
			continue
		}
		p, err := b.start("Go")
		if err != nil {
			return peers, err
		}
		peers = append(peers, heapPeer{p, gib})
		if _, err := p.ask("heap", int64(gib)<<30); err != nil {
			return peers, err
		}
	}
	return peers, nil
}

// sweep makes a series of each method.
func (b *bench) sweep(name string, x float64, p *peer, kind string, methods ...method) []*series {
	var all []*series
	for _, m := range methods {
		all = append(all, &series{scenario: name, x: x, title: m.title, method: m.id, peer: p,
			job: job{kind: kind, path: b.programs.tiny, n: b.size.block, spawners: 1}})
	}
	return all
}

// spareFiles is what a peer needs besides the files that it is told to open.
const spareFiles = 64

// runFiles compares peers with different numbers of open files.
func (b *bench) runFiles() error {
	var all []*series
	for _, n := range b.size.files {
		if n+spareFiles > int(b.machine.noFile) {
			b.skip("%d open files: RLIMIT_NOFILE is %d", n, b.machine.noFile)
			continue
		}
		p, err := b.startWithFiles("Go", n)
		if err != nil {
			return err
		}
		defer p.stop()
		all = append(all, b.sweep(filesScenario, float64(n), p, "inherit", goRun, goProgram, goExec, goForkExec)...)
		all = append(all, b.sweep(pipesScenario, float64(n), p, "pipes", goRun, goExec)...)
		c, err := b.startWithFiles("C", n)
		if err != nil {
			return err
		}
		if c != nil {
			defer c.stop()
			all = append(all, b.sweep(filesScenario, float64(n), c, "inherit", method{"vfork", cVfork})...)
		}
	}
	for _, s := range all {
		s.job.n = max(2, min(s.job.n, filesBlock/max(1, int(s.x))))
	}
	return b.runRounds(b.size.sweepRounds, all)
}

// filesBlock is how many descriptors a block of spawns may copy: to copy a million takes
// the kernel as long as a thousand spawns do.
const filesBlock = 2_000_000

func (b *bench) startWithFiles(name string, n int) (*peer, error) {
	p, err := b.start(name)
	if p == nil || err != nil {
		return nil, err
	}
	if _, err := p.ask("files", n); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// runSpawners compares numbers of goroutines that spawn at the same time.
func (b *bench) runSpawners() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	var all []*series
	for _, n := range b.size.spawners {
		for _, s := range b.sweep(spawnersScenario, float64(n), p, "inherit", goRun, goProgram, goExec, goForkExec) {
			s.job.spawners, s.job.shared = n, true
			s.job.n = max(s.job.n, 4*n)
			all = append(all, s)
		}
	}
	return b.runRounds(b.size.sweepRounds, all)
}

// The ways of waiting that are compared. The first three start the same Program.
var waitMethods = []method{
	{"program", waitsProgram},
	{"waitblock", "a thread in waitid"},
	{"waitpark", "Process.Done: the poller at once"},
	goCmd, goExec,
}

const waitsProgram = "Process.Wait: a short look, then the poller"

// waitBlock is how long a block of waits may take, in µs of the children's lives.
const waitBlock = 100_000

// runWaits compares ways of waiting for children that live for different times.
func (b *bench) runWaits() error {
	p, err := b.start("Go")
	if err != nil {
		return err
	}
	defer p.stop()
	var all []*series
	for _, us := range append([]int{0}, b.size.sleeps...) {
		for _, s := range b.sweep(waitScenario, float64(us), p, "inherit", waitMethods...) {
			s.job.n = min(s.job.n, 30)
			if us > 0 {
				s.job.path = b.programs.sleeps[us]
				s.job.n = max(1, min(s.job.n, waitBlock/us))
			}
			all = append(all, s)
		}
	}
	return b.runRounds(b.size.sweepRounds, all)
}
