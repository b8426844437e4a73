package raw

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"
	"unsafe"
)

// Arg is an argument of an operation under construction.
type Arg struct {
	kind argKind
	v    uint64
}

type argKind uint8

const (
	argNumber argKind = iota
	argArena          // offset into the arena
	argText           // the same, of a string
	argVar            // varArg
)

// Int is a number as an argument.
func Int(n int64) Arg { return Arg{argNumber, uint64(n)} }

// VarArg is the value of v plus a constant.
func VarArg(v Var, plus int32) Arg { return Arg{argVar, varArg(v, plus)} }

// Builder collects operations, in any order of phases, and makes a Program of
// them. The zero value is ready. It is not for concurrent use.
type Builder struct {
	ops   []pending
	steps []Step
	mem   []uint64 // arena; allocated as words so that it is aligned
	used  int      // bytes of it
	lists []list
	addrs []addrOf
	nvars int
	relay relay
	wide  bool // a number is more than a word of the machine's

	shared Program // what BuildShared returns
}

// pending is an operation whose arena offsets aren't addresses yet.
type pending struct {
	Op
	sys    Sys
	phase  uint8
	relocs uint8 // bit i: args[i] is an arena offset
	texts  uint8 // bit i: of a string
}

// wordSize is the size of a pointer, and of the kernel's long.
const wordSize = 4 << (^uintptr(0) >> 63)

// native is memory as words of the machine's.
func native(mem []uint64) []uintptr {
	return unsafe.Slice((*uintptr)(unsafe.Pointer(unsafe.SliceData(mem))), len(mem)*8/wordSize)
}

// list is n pointers in a row in the arena.
type list struct{ off, n int }

// addrOf says that a variable holds the address of another, or of a place in the run
// where that is 0.
type addrOf struct {
	v, target Var
	index     int   // of a pointer in an array that begins with v
	offset    int32 // in bytes
	place     place
}

// word is where the address goes, in words of the machine's.
func (a *addrOf) word() int { return int(a.v)*8/wordSize + a.index }

// place is a part of the run whose address operations may have.
type place uint8

const (
	placeMask  place = iota // the signal mask from before the clone
	placeArgs               // clone3's arguments, for the second child
	placeStack              // where the second child's stack pointer points to
	placeTID                // where clone stores the second child's id
	placeWord               // what the kernel clears when that does not share memory any more
	placeState              // relayState
	placeArena              // the program's strings and arrays
	placeNone               // address 0: the offset alone counts, as a number
)

var placeNames = [...]string{"the old mask", "its clone_args", "its stack", "its id", "its word", "the state", "text", "nothing"}

// Grow makes room for n bytes of strings and arrays.
func (b *Builder) Grow(n int) {
	if need := b.used + n; need > len(b.mem)*8 {
		mem := make([]uint64, max((need+7)/8, len(b.mem)*2))
		copy(mem, b.mem)
		b.mem = mem
	}
}

func (b *Builder) bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(b.mem))), len(b.mem)*8)
}

func (b *Builder) alloc(n int) int {
	b.Grow(n)
	off := b.used
	b.used += n
	return off
}

func (b *Builder) align() { b.used = (b.used + 7) &^ 7 }

// String copies s, which must not contain a NUL byte, and ends it with one.
func (b *Builder) String(s string) Arg {
	off := b.alloc(len(s) + 1)
	mem := b.bytes()[off:]
	mem[copy(mem, s)] = 0
	return Arg{argText, uint64(off)}
}

// Words copies 64-bit words, aligned.
func (b *Builder) Words(w ...uint64) Arg {
	b.align()
	off := b.alloc(8 * len(w))
	copy(b.mem[off/8:], w)
	return Arg{argArena, uint64(off)}
}

// Struct copies a structure whose fields have the size of a pointer, aligned. An
// argument that is in the arena becomes its address. A variable is not for it.
func (b *Builder) Struct(fields ...Arg) Arg {
	b.align()
	off := b.alloc(wordSize * len(fields))
	words := b.words(off, len(fields))
	for i, f := range fields {
		b.note(f)
		words[i] = uintptr(f.v)
		if f.kind == argArena || f.kind == argText {
			b.lists = append(b.lists, list{off + wordSize*i, 1})
		}
	}
	return Arg{argArena, uint64(off)}
}

// words are n words of the machine's in the arena.
func (b *Builder) words(off, n int) []uintptr { return native(b.mem)[off/wordSize:][:n] }

// Uint32s copies 32-bit words, aligned.
func (b *Builder) Uint32s(w []uint32) Arg {
	b.align()
	off := b.alloc(4 * len(w))
	for i, x := range w {
		binary.NativeEndian.PutUint32(b.bytes()[off+4*i:], x)
	}
	return Arg{argArena, uint64(off)}
}

// Strings makes a null-terminated array of pointers to copies of s, as execve
// wants it.
func (b *Builder) Strings(s []string) Arg {
	b.align()
	size := wordSize * (len(s) + 1)
	for _, x := range s {
		size += len(x) + 1
	}
	arr := b.alloc(size)
	mem, ptrs := b.bytes(), b.words(arr, len(s)+1)
	at := arr + wordSize*len(ptrs)
	for i, x := range s {
		ptrs[i] = uintptr(at)
		at += copy(mem[at:], x)
		mem[at] = 0
		at++
	}
	ptrs[len(s)] = 0
	b.lists = append(b.lists, list{arr, len(s)})
	return Arg{argArena, uint64(arr)}
}

// StringsWith is Strings with one string more: the one that variable last and those
// after it hold in a run.
func (b *Builder) StringsWith(s []string, last Var) Arg {
	first := b.Vars((wordSize*(len(s)+2) + 7) / 8)
	for i, x := range s {
		text := b.String(x)
		b.addrs = append(b.addrs, addrOf{v: first, index: i, place: placeArena, offset: int32(text.v)})
	}
	b.addrs = append(b.addrs, addrOf{v: first, index: len(s), target: last})
	return b.AddrOf(first)
}

// Fits reports whether all that was asked for can be encoded: a variable has 16
// bits in an operation, a step 32, a number as many as a word. Where it does not, Build
// panics.
func (b *Builder) Fits() bool {
	return b.nvars <= math.MaxUint16 && len(b.steps) <= math.MaxInt32 && !b.wide
}

// note notes a number that does not fit into a word, signed or not.
func (b *Builder) note(a Arg) {
	b.wide = b.wide || a.kind == argNumber && int64(a.v) != int64(int(a.v)) && a.v != uint64(uint(a.v))
}

// Var makes a new variable. Variable 0 is never handed out. There are no more than
// 65,535; see Fits.
func (b *Builder) Var() Var {
	b.nvars++
	return Var(b.nvars)
}

// Vars makes n variables that lie one after the other, and returns the first.
func (b *Builder) Vars(n int) Var {
	first := b.nvars + 1
	b.nvars += n
	return Var(first)
}

// Init has a variable hold a number when a run begins.
func (b *Builder) Init(v Var, n int32) {
	b.addrs = append(b.addrs, addrOf{v: v, place: placeNone, offset: n})
}

// AddrOf is the address of v as an argument.
func (b *Builder) AddrOf(v Var) Arg { return b.AddrIn(v, 0) }

// AddrOfInt is the address of the low half of v as an argument: an int of the kernel's.
func (b *Builder) AddrOfInt(v Var) Arg { return b.AddrIn(v, lowHalf()) }

// AddrIn is an address beyond that of v as an argument.
func (b *Builder) AddrIn(v Var, offset int32) Arg {
	a := b.Var()
	b.addrs = append(b.addrs, addrOf{v: a, target: v, offset: offset})
	return VarArg(a, 0)
}

// addrAt is the address of a place in the run as an argument.
func (b *Builder) addrAt(p place) Arg {
	a := b.Var()
	b.addrs = append(b.addrs, addrOf{v: a, place: p})
	return VarArg(a, 0)
}

// SavedMask is the address of the signal mask from before the clone.
func (b *Builder) SavedMask() Arg { return b.addrAt(placeMask) }

// Step begins a step; the operations added next belong to it.
func (b *Builder) Step(s Step) {
	b.steps = append(b.steps, s)
}

// OpRef sets what is done with the result of an operation just added. It is
// valid until the next operation is added.
type OpRef struct{ p *pending }

// Call adds a system call in a phase. Operations are performed by phase, and
// within a phase in the order in which they were added.
func (b *Builder) Call(phase uint8, sys Sys, args ...Arg) OpRef {
	b.ops = append(b.ops, pending{
		Op:    Op{nr: uint32(sys.Number()), step: int32(len(b.steps) - 1)},
		sys:   sys,
		phase: phase,
	})
	p := &b.ops[len(b.ops)-1]
	for i, a := range args {
		b.note(a)
		p.args[i] = a.v
		switch a.kind {
		case argArena:
			p.relocs |= 1 << i
		case argText:
			p.relocs |= 1 << i
			p.texts |= 1 << i
		case argVar:
			p.varArgs |= 1 << i
		}
	}
	return OpRef{p}
}

// Ignore makes no error a failure.
func (r OpRef) Ignore() OpRef { r.p.flags |= flagIgnore; return r }

// Keep stores the result in v.
func (r OpRef) Keep(v Var) OpRef { r.p.flags |= flagKeep; r.p.keep = uint16(v); return r }

// KeepError is Keep, and stores also an error that is no failure, negated as the kernel
// returns it. See [Errno].
func (r OpRef) KeepError(v Var) OpRef { r.p.flags |= flagKeepError; return r.Keep(v) }

// SkipEqual passes the operation over when v has the value.
func (r OpRef) SkipEqual(v Var, value uint64) OpRef {
	r.p.flags |= flagSkipEqual
	r.p.cond, r.p.equal = uint16(v), value
	return r
}

// Sweep repeats the operation with its first argument counting up to last
// (included, signed), not at all when it is beyond, and ignores all errors. It
// goes with none of SkipEqual, Retry, Keep and Else.
func (r OpRef) Sweep(last Arg) OpRef {
	r.p.flags |= flagSweep
	r.p.equal = last.v
	if last.kind == argVar {
		r.p.varArgs |= 1 << equalVar
	}
	return r
}

// Tolerate goes on with the next operation after one of up to three errnos.
func (r OpRef) Tolerate(errnos ...uint8) OpRef { copy(r.p.tolerate[:], errnos); return r }

// Else makes the next n operations the alternative to this one: they are passed
// over when it succeeds, and tried when it fails with one of the errnos.
func (r OpRef) Else(n uint8, errnos ...uint8) OpRef {
	r.p.skip = n
	return r.Tolerate(errnos...)
}

// Retry repeats the operation up to n times while it fails with errno.
func (r OpRef) Retry(errno uint8, n uint32) OpRef { r.p.again, r.p.retries = errno, n; return r }

// Spared is an operation after whose failure the child goes on. Its result is in the
// variable.
type Spared struct {
	Step Step
	Var  Var
}

// Spare has the child go on after the failure of operations, and keep their results. Those
// are the operations of steps for which spare returns true, and the failures those with one
// of up to three errnos; with none it is all failures. The operations that follow are
// performed, whatever became of those before.
func (b *Builder) Spare(spare func(s Step) (errnos []uint8, ok bool)) (list []Spared) {
	for i := range b.ops {
		op := &b.ops[i]
		if op.step < 0 {
			continue
		}
		step := b.steps[op.step]
		errnos, ok := spare(step)
		if !ok {
			continue
		}
		ref, v := OpRef{op}, Var(op.keep)
		if op.flags&flagKeep == 0 {
			v = b.Var()
		}
		ref.KeepError(v)
		if len(errnos) == 0 {
			ref.Ignore()
		} else {
			ref.Tolerate(errnos...)
		}
		list = append(list, Spared{step, Var(op.keep)})
	}
	return list
}

// maxKept is how much of an arena, in words, a builder keeps for later.
const maxKept = 1 << 13

// Reset empties the builder, which keeps its memory. What BuildShared returned
// must not be used any more.
func (b *Builder) Reset() {
	clear(b.steps)
	if len(b.mem) > maxKept {
		b.mem = nil
	}
	*b = Builder{
		ops: b.ops[:0], steps: b.steps[:0], mem: b.mem, lists: b.lists[:0], addrs: b.addrs[:0],
		shared: Program{ops: b.shared.ops[:0], info: b.shared.info[:0]},
	}
}

// Build sorts the operations by phase and fixes all addresses. Afterwards the
// builder is of no use until Reset. The last operation of the last phase should
// be one that does not return; a failure follows otherwise.
func (b *Builder) Build() *Program {
	p := &Program{
		ops:   make([]Op, 0, len(b.ops)+1),
		info:  make([]opInfo, 0, len(b.ops)),
		steps: slices.Clone(b.steps),
		addrs: slices.Clone(b.addrs),
	}
	b.build(p)
	b.mem = nil
	return p
}

// BuildShared is Build for a program that is of use only until Reset: it lies in
// the builder's own memory.
func (b *Builder) BuildShared() *Program {
	p := &b.shared
	p.steps, p.addrs = b.steps, b.addrs
	b.build(p)
	return p
}

func (b *Builder) build(p *Program) {
	if !b.Fits() {
		panic("bug: more than operations can hold")
	}
	slices.SortStableFunc(b.ops, func(x, y pending) int { return int(x.phase) - int(y.phase) })
	p.arena, p.nvars, p.relay = b.mem, b.nvars+1, b.relay
	base := uintptr(unsafe.Pointer(unsafe.SliceData(b.mem)))
	for _, l := range b.lists {
		ptrs := b.words(l.off, l.n)
		for i := range ptrs {
			ptrs[i] += base
		}
	}
	for i := range b.ops {
		op := &b.ops[i]
		for left := op.relocs; left != 0; left &= left - 1 {
			op.args[bits.TrailingZeros8(left)] += uint64(base)
		}
		op.skip = uint8(min(int(op.skip), len(b.ops)-1-i)) // not beyond the end
		p.ops = append(p.ops, op.Op)
		p.info = append(p.info, opInfo{op.sys, op.phase, op.relocs, op.texts})
	}
	// Falling off the end must end the child, too.
	p.ops = append(p.ops, Op{nr: uint32(ExitGroup.Number()), args: [6]uint64{FailedStatus}, step: -1})
}
