//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// chooser gives a number from 0 to n-1.
type chooser func(n int) int

func randomChooser(seed uint64) chooser { return rand.New(rand.NewPCG(seed, 1)).IntN }

// bytesChooser takes its numbers from data, and zeros after its end.
func bytesChooser(data []byte) chooser {
	return func(n int) int {
		x := 0
		for m := n; m > 1 && len(data) > 0; m >>= 8 {
			x = x<<8 | int(data[0])
			data = data[1:]
		}
		return x % n
	}
}

func (pick chooser) chance(percent int) bool { return pick(100) < percent }

func oneOf[T any](pick chooser, list []T) T { return list[pick(len(list))] }

// spareFDs is how many numbers a roomy case leaves below its limit.
const spareFDs = 64

// caseMaker makes up the file actions of a case whose parent is given.
type caseMaker struct {
	pick  chooser
	c     *fdCase
	files []int        // the parent's numbers that can be an os.File
	open  map[int]bool // in the child, roughly
	dirs  []string
	names []string
	ttys  bool
	wild  bool // also use numbers that are not open, or negative
}

func (g *caseMaker) make(actions int) {
	g.open = map[int]bool{}
	for n := range g.c.parent {
		g.open[n] = true
	}
	all := -1
	if g.pick.chance(20) {
		all = g.pick(actions)
	}
	for i := range actions {
		if i == all {
			g.c.doings = append(g.c.doings, doing{kind: doInheritAll})
		}
		g.c.doings = append(g.c.doings, g.doing())
	}
}

var doingWeights = [...]int{
	doOpen: 12, doOpenAt: 8, doDup2: 20, doFile: 36, doClose: 8, doCloseFrom: 4, doInherit: 6,
	doChdir: 2, doFchdir: 3, doTcsetpgrp: 1,
}

func (g *caseMaker) doing() doing {
	x := g.pick(100)
	var d doing
	for kind, weight := range doingWeights {
		if x < weight {
			d.kind = doingKind(kind)
			break
		}
		x -= weight
	}
	switch d.kind {
	case doOpen:
		d.fd, d.path = g.target(), oneOf(g.pick, g.names)
	case doOpenAt:
		d.from, d.path = g.source(), oneOf(g.pick, g.names)
		d.fd, d.how = g.target(), g.pick.chance(30)
		if g.pick.chance(20) {
			d.fd = d.from
		}
	case doDup2:
		d.from, d.fd = g.source(), g.target()
		if g.pick.chance(10) {
			d.fd = d.from
		}
	case doFile:
		if len(g.files) == 0 {
			return doing{kind: doClose, fd: g.target()}
		}
		d.from, d.fd = oneOf(g.pick, g.files), g.target()
	case doClose, doCloseFrom:
		d.fd = g.target()
		if d.fd >= 0 && g.pick.chance(20) {
			d.fd += g.c.limit + spareFDs
		}
	case doInherit, doFchdir, doTcsetpgrp:
		d.fd = g.source()
		if d.kind == doTcsetpgrp && !g.ttys {
			d.kind = doInherit
		}
	case doChdir:
		d.path = oneOf(g.pick, g.dirs)
	}
	g.follow(d)
	return d
}

func (g *caseMaker) follow(d doing) {
	switch d.kind {
	case doOpen, doOpenAt, doDup2, doFile:
		g.open[d.fd] = true
	case doClose:
		delete(g.open, d.fd)
	case doCloseFrom:
		maps.DeleteFunc(g.open, func(n int, _ bool) bool { return n >= d.fd })
	}
}

// source is a number that is likely to be open.
func (g *caseMaker) source() int {
	if len(g.open) == 0 || g.wild && g.pick.chance(5) {
		return g.number()
	}
	return oneOf(g.pick, slices.Sorted(maps.Keys(g.open)))
}

// target is a number that is likely to be in the way of something.
func (g *caseMaker) target() int {
	switch {
	case g.wild && g.pick(200) == 0:
		return -1
	case len(g.files) > 0 && g.pick.chance(40):
		return oneOf(g.pick, g.files)
	}
	return g.number()
}

func (g *caseMaker) number() int {
	switch {
	case g.pick.chance(70):
		return g.pick(min(12, g.c.limit))
	case g.pick.chance(50):
		return g.c.limit - 1 - g.pick(3)
	}
	return g.pick(g.c.limit)
}
