package raw

import (
	"testing"
	"unsafe"
)

// A number that would be cut off is none that a child can do.
func TestFitsWords(t *testing.T) {
	for n, fits := range map[int64]bool{
		0: true, -1: true, 1<<32 - 1: true, -1 << 31: true, 1 << 32: wordSize == 8, -1<<31 - 1: wordSize == 8,
	} {
		var call, field Builder
		call.Call(0, Umask, Int(n))
		field.Struct(Int(n))
		if call.Fits() != fits || field.Fits() != fits {
			t.Errorf("%d: %t in a call, %t in a structure", n, call.Fits(), field.Fits())
		}
	}
}

func TestCallsDescribeTheProgram(t *testing.T) {
	var b Builder
	v, w := b.Var(), b.Var()
	b.Step(Step{Name: "last", Index: 2, Object: "z"})
	b.Call(9, ExitGroup, Int(3))
	b.Step(Step{Name: "first", Index: 0, Object: "a"})
	b.Call(1, Openat, Int(-100), b.String("some file"), Int(0), Int(0)).Keep(v).Else(1, 2)
	b.Call(1, Openat, Int(-100), b.String(""), Int(0), Int(0)).Keep(w)
	b.Call(1, Close, VarArg(v, -4)).SkipEqual(w, 77)
	b.Call(1, Close, VarArg(v, 0)).Sweep(Int(9))
	b.Call(1, Write, Int(1), b.AddrOf(w), Int(8))
	b.Call(1, Write, Int(1), b.Words(1, 2, 3), Int(24))
	p := b.Build()

	calls := p.Calls()
	if p.Len() != 7 || len(calls) != 7 {
		t.Fatalf("%d operations, %d calls", p.Len(), len(calls))
	}
	open, alt, skip, sweep, ref, words, exit := calls[0], calls[1], calls[2], calls[3], calls[4], calls[5], calls[6]
	if open.Sys != Openat || open.Args[1].Kind != KindText || open.Args[1].Text != "some file" || open.Keep != v || open.Else {
		t.Errorf("open: %+v", open)
	}
	if !alt.Else || alt.Args[1].Text != "" || alt.Args[1].Kind != KindText || alt.Keep != w {
		t.Errorf("alternative: %+v", alt)
	}
	if a := skip.Args[0]; skip.Else || skip.When == nil || *skip.When != (Condition{w, 77}) ||
		a.Kind != KindVar || a.Var != v || int64(a.Num) != -4 {
		t.Errorf("condition: %+v", skip)
	}
	if sweep.Sweep == nil || *sweep.Sweep != (Value{Num: 9}) {
		t.Errorf("sweep: %+v", sweep)
	}
	if a := ref.Args[1]; a.Kind != KindVarAddress || a.Var != w {
		t.Errorf("address of a variable: %+v", ref)
	}
	if words.Args[1].Kind != KindAddress {
		t.Errorf("words: %+v", words)
	}
	if s := p.Step(exit.Step); exit.Sys != ExitGroup || s != (Step{Name: "last", Index: 2, Object: "z"}) {
		t.Errorf("last call: %+v of step %+v", exit, s)
	}
}

// The arena moves while it grows; addresses are fixed only in the end.
func TestArenaGrows(t *testing.T) {
	var b Builder
	texts := make([]string, 200)
	for i := range texts {
		texts[i] = string(rune('a' + i%26))
		for len(texts[i]) < i {
			texts[i] += "x"
		}
		b.Call(0, Chdir, b.String(texts[i]))
	}
	for i, c := range b.Build().Calls() {
		if c.Args[0].Text != texts[i] {
			t.Fatalf("text %d is %q, want %q", i, c.Args[0].Text, texts[i])
		}
	}
}

func TestUint32sAreAligned(t *testing.T) {
	var b Builder
	b.String("odd")
	b.Call(0, Setgroups, Int(3), b.Uint32s([]uint32{1, 2, 3}))
	p := b.Build()
	if a := p.Calls()[0].Args[1]; a.Kind != KindAddress || a.Num%8 != 0 {
		t.Errorf("got %+v", a)
	}
}

// TestVarsInARow wants variables side by side, and addresses into them.
func TestVarsInARow(t *testing.T) {
	var b Builder
	before := b.Var()
	first := b.Vars(3)
	after := b.Var()
	if first != before+1 || after != first+3 {
		t.Errorf("%d, %d, %d", before, first, after)
	}
	b.Call(0, Capget, b.AddrOf(first), b.AddrIn(first, 20))
	c := b.Build().Calls()[0]
	if want := (Value{Kind: KindVarAddress, Var: first}); c.Args[0] != want {
		t.Errorf("%+v, want %+v", c.Args[0], want)
	}
	if want := (Value{Kind: KindVarAddress, Var: first, Num: 20}); c.Args[1] != want {
		t.Errorf("%+v, want %+v", c.Args[1], want)
	}
}

func TestSkipStaysInside(t *testing.T) {
	var b Builder
	b.Call(0, Umask, Int(0)).Else(200)
	b.Call(0, Umask, Int(0)).Else(200)
	p := b.Build()
	for i := range p.Len() {
		if next := i + 1 + int(p.ops[i].skip); next > p.Len() {
			t.Errorf("operation %d is followed by operation %d of %d", i, next, len(p.ops))
		}
	}
}

// TestStruct wants numbers as they are, and addresses of what is in the arena,
// which moves meanwhile.
func TestStruct(t *testing.T) {
	var b Builder
	text := b.String("text")
	s := b.Struct(Int(7), b.Words(11, 12), text, Int(-1))
	b.Call(0, Chdir, text)
	b.Call(0, Seccomp, Int(1), Int(0), s)
	b.String(string(make([]byte, 1<<16)))
	p := b.Build()
	calls := p.Calls()
	base := uintptr(unsafe.Pointer(unsafe.SliceData(p.arena)))
	got := native(p.arena)[(uintptr(calls[1].Args[2].Num)-base)/wordSize:][:4]
	if got[0] != 7 || got[2] != uintptr(calls[0].Args[0].Num) || got[3] != ^uintptr(0) {
		t.Errorf("%#x", got)
	}
	if w := p.arena[(got[1]-base)/8:]; w[0] != 11 || w[1] != 12 {
		t.Errorf("the address of %d, %d", w[0], w[1])
	}
}

// TestReorder wants whole operations in another order, and the program to stay.
func TestReorder(t *testing.T) {
	var b Builder
	for phase, sys := range []Sys{Chdir, Close, Fchdir} {
		b.Step(Step{Name: "", Index: phase})
		b.Call(uint8(phase), sys, Int(int64(phase)))
	}
	p := b.Build()
	q := p.Reorder(func(c Call) int { return -int(c.Phase) })
	for i, c := range q.Calls() {
		if was := p.Calls()[2-i]; c != was || int(c.Phase) != 2-i || p.Step(c.Step).Index != 2-i {
			t.Errorf("%d: %+v, want %+v", i, c, was)
		}
	}
	if last := q.ops[len(q.ops)-1]; last.step != -1 || len(q.ops) != 4 {
		t.Errorf("%d operations, the last is %+v", len(q.ops), last)
	}
}
