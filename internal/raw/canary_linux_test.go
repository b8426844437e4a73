//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

const (
	canary    = 0xc0ffee0ddba11
	wordsEach = 512 // of canary before and after what is guarded
)

// fence is memory with canaries on both sides of its middle.
type fence struct {
	all  []uint64
	copy []uint64
}

func newFence(middle int) *fence {
	f := &fence{all: make([]uint64, middle+2*wordsEach)}
	for i := range f.all {
		f.all[i] = canary + uint64(i)
	}
	return f
}

// middle is what lies between the canaries.
func (f *fence) middle() []uint64 { return f.all[wordsEach : len(f.all)-wordsEach] }

func (f *fence) remember() { f.copy = slices.Clone(f.all) }

// touched is the first word that has changed, or -1.
func (f *fence) touched() int {
	for i, x := range f.all {
		if x != f.copy[i] {
			return i
		}
	}
	return -1
}

// fencedProgram is a program whose operations, arena and variables all lie
// between canaries.
type fencedProgram struct {
	*Program
	ops, arena, vars *fence
	info             []opInfo
	steps            []Step
}

func newFencedProgram(t *testing.T, fill func(b *Builder)) *fencedProgram {
	f := &fencedProgram{arena: newFence(256), vars: newFence(16)}
	var b Builder
	b.mem = f.arena.middle()
	clear(b.mem)
	fill(&b)
	f.Program = b.Build()
	if &f.Program.arena[0] != &f.arena.middle()[0] {
		t.Fatal("the program has outgrown its fence")
	}
	words := len(f.Program.ops) * int(unsafe.Sizeof(Op{})) / 8
	f.ops = newFence(words)
	ops := unsafe.Slice((*Op)(unsafe.Pointer(&f.ops.middle()[0])), len(f.Program.ops))
	copy(ops, f.Program.ops)
	f.Program.ops = ops
	f.info, f.steps = slices.Clone(f.Program.info), slices.Clone(f.Program.steps)
	for _, x := range []*fence{f.ops, f.arena, f.vars} {
		x.remember()
	}
	return f
}

// run is a run whose variables are fenced.
func (f *fencedProgram) run() *Run {
	r := NewRun(f.Program)
	fenced := f.vars.middle()[:len(r.storage)]
	copy(fenced, r.storage)
	for _, a := range f.addrs {
		if a.target != 0 {
			native(fenced)[a.word()] = addr(&fenced[a.target])
		}
	}
	r.storage = fenced
	r.vars = addr(&fenced[0])
	for _, s := range []*stack{&r.stack, &r.second.stack} {
		for i := range s.region {
			s.region[i] = 0xa5
		}
	}
	return r
}

// checkRun finds changes to what the child must not write of the run.
func (f *fencedProgram) checkRun(t *testing.T, r *Run, before *run) {
	t.Helper()
	now := r.run
	now.oldMask, now.pid, now.failed, now.errno = before.oldMask, before.pid, before.failed, before.errno
	now.nr, now.arg, now.clone, now.errFD = before.nr, before.arg, before.clone, before.errFD
	now.pidfd, now.tid, now.runs = before.pidfd, before.tid, before.runs
	now.stack.frame, now.second.stack.frame = before.stack.frame, before.second.stack.frame
	region := now.second.stack.region
	now.second, now.second.stack.region = before.second, region
	if now != *before {
		t.Fatal("the run or the child's stack was written to")
	}
}

func (f *fencedProgram) check(t *testing.T) {
	t.Helper()
	for name, x := range map[string]*fence{"operations": f.ops, "arena": f.arena} {
		if i := x.touched(); i >= 0 {
			t.Fatalf("word %d of the %s has changed", i-wordsEach, name)
		}
	}
	v := f.vars
	copy(v.copy[wordsEach:len(v.copy)-wordsEach], v.middle())
	if i := v.touched(); i >= 0 {
		t.Fatalf("word %d of the variables' neighbours has changed", i-wordsEach)
	}
	if !slices.Equal(f.info, f.Program.info) || !slices.Equal(f.steps, f.Program.steps) {
		t.Fatal("the program's description has changed")
	}
}

// callFromDeep calls f with depth frames of known content above it.
//
//go:noinline
func callFromDeep(t *testing.T, depth int, f func()) {
	var frame [512]uint64
	for i := range frame {
		frame[i] = canary ^ uint64(depth<<16+i)
	}
	if depth == 0 {
		f()
	} else {
		callFromDeep(t, depth-1, f)
	}
	for i, x := range frame {
		if x != canary^uint64(depth<<16+i) {
			t.Fatalf("word %d of frame %d has changed", i, depth)
		}
	}
}

func TestNothingElseIsWritten(t *testing.T) {
	n := testenv.Rounds(3_000, 10_000)
	if testing.Short() {
		n = 500
	}
	path := tinyProgram(t, 0)
	var clean, failing, exiting *fencedProgram
	keep := func(b *Builder) {
		v, w := b.Var(), b.Var()
		b.Step(Step{Name: "umask", Index: 0})
		b.Call(0, Umask, Int(0o77)).Keep(v)
		b.Call(0, RtSigprocmask, Int(unix.SIG_BLOCK), Int(0), b.AddrOf(w), Int(sigsetSize))
		b.Call(0, Close, Int(noFD)).Sweep(Int(noFD + 3))
	}
	clean = newFencedProgram(t, func(b *Builder) { keep(b); b.exec(path) })
	failing = newFencedProgram(t, func(b *Builder) { keep(b); b.exec("/nonexistent/program") })
	exiting = newFencedProgram(t, func(b *Builder) { keep(b) })
	programs := []*fencedProgram{clean, failing, exiting}
	for i := range 2 {
		programs = append(programs,
			newFencedProgram(t, func(b *Builder) { keep(b); b.Relay(1, i == 1 || noClone3()); b.exec(path) }),
			newFencedProgram(t, func(b *Builder) { b.Relay(0, i == 1 || noClone3()); keep(b); b.exec("/nonexistent/program") }))
	}
	for i := range n {
		f := programs[i%len(programs)]
		r := f.run()
		before := r.run
		var res result
		var err error
		callFromDeep(t, i%12, func() {
			res, err = finish(r, usable(Clone{Flags: vfork, Legacy: i%2 == 1, ErrFD: -1}))
		})
		if err != nil {
			t.Fatal(err)
		}
		missing := f.Program.steps[len(f.Program.steps)-1].Object == "/nonexistent/program"
		if res.failed != missing || f != exiting && !missing && !res.exited(0) {
			t.Fatalf("%+v", res)
		}
		f.checkRun(t, r, &before)
		f.check(t)
		r.storage = nil
		r.Free()
	}
}
