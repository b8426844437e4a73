//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// A random program is built twice from the same operations: for the child, and
// for a model of the interpreter in Go, with which the child is compared.

// operand is a number, or a variable plus it.
type operand struct {
	v Var // 0 for none
	n int64
}

func (o operand) arg() Arg {
	if o.v == 0 {
		return Int(o.n)
	}
	return VarArg(o.v, int32(o.n))
}

func (o operand) value(vars []uint64) int64 {
	if o.v == 0 {
		return o.n
	}
	return int64(vars[o.v]) + o.n
}

// modelOp is one operation. All system calls are harmless to the child.
type modelOp struct {
	phase     uint8
	sys       Sys
	arg       operand
	ignore    bool
	keep      Var // 0 for none
	keepError bool
	cond      Var // 0 for none
	equal     uint64
	sweep     bool
	last      operand
	tolerate  []uint8
	skip      uint8
	again     uint8
	retries   uint32
}

const (
	modelVars   = 4
	startUmask  = 0o22
	mostRetries = 2
)

// random is a stream of choices, from a fuzzer or a generator; 0 at its end.
type random struct{ data []byte }

func (r *random) below(n int) int {
	if len(r.data) == 0 {
		return 0
	}
	x := r.data[0]
	r.data = r.data[1:]
	return int(x) % n
}

func (r *random) variable() Var { return Var(1 + r.below(modelVars)) }

func (r *random) operand() operand {
	if r.below(2) == 0 {
		return operand{0, int64(r.below(40)) - 4}
	}
	return operand{r.variable(), int64(r.below(20)) - 8}
}

func (r *random) errno() uint8 {
	return []uint8{uint8(unix.EBADF), uint8(unix.ESRCH), uint8(unix.EINVAL), uint8(unix.ENOENT)}[r.below(4)]
}

func (r *random) op() modelOp {
	calls := []Sys{Umask, Umask, Umask, Getpgid, Close, Dup3, Chdir, Fcntl, ExitGroup}
	op := modelOp{phase: uint8(r.below(3)), sys: calls[r.below(len(calls))], arg: r.operand()}
	if r.below(8) == 0 {
		op.sweep, op.last = true, r.operand()
		if op.sys != ExitGroup {
			op.sys = Umask // harmless with any argument
		}
		return op
	}
	op.ignore = r.below(6) == 0
	if r.below(3) == 0 {
		op.keep, op.keepError = r.variable(), r.below(2) == 0
	}
	if r.below(4) == 0 {
		op.cond, op.equal = r.variable(), uint64(r.below(4))
	}
	for range r.below(4) {
		op.tolerate = append(op.tolerate, r.errno())
	}
	if r.below(3) == 0 {
		op.skip = uint8(r.below(5))
	}
	if r.below(8) == 0 {
		op.again, op.retries = r.errno(), uint32(r.below(mostRetries+1))
	}
	return op
}

// build makes the child's program; each operation is a step.
func build(ops []modelOp) *Program {
	var b Builder
	for range modelVars {
		b.Var()
	}
	nowhere := b.String("/nonexistent")
	for i, op := range ops {
		b.Step(Step{Name: op.sys.Name(), Index: i})
		var args []Arg
		switch op.sys {
		case Umask, ExitGroup:
			args = []Arg{op.arg.arg()}
		case Getpgid:
			args = []Arg{Int(-1)}
		case Close:
			args = []Arg{Int(noFD)}
		case Dup3:
			args = []Arg{Int(5), Int(5), Int(0)}
		case Chdir:
			args = []Arg{nowhere}
		case Fcntl:
			args = []Arg{Int(noFD), Int(unix.F_GETFD), Int(0)}
		}
		ref := b.Call(op.phase, op.sys, args...)
		op.control(ref)
	}
	return b.Build()
}

func (op *modelOp) control(ref OpRef) {
	if op.ignore {
		ref.Ignore()
	}
	if op.keep != 0 {
		ref.Keep(op.keep)
		if op.keepError {
			ref.KeepError(op.keep)
		}
	}
	if op.cond != 0 {
		ref.SkipEqual(op.cond, op.equal)
	}
	if op.sweep {
		ref.Sweep(op.last.arg())
	}
	if op.skip != 0 {
		ref.Else(op.skip, op.tolerate...)
	} else {
		ref.Tolerate(op.tolerate...)
	}
	if op.again != 0 {
		ref.Retry(op.again, op.retries)
	}
}

// outcome is what a program does: how it ends, and the variables.
type outcome struct {
	failed int // operation, -1 for none
	errno  syscall.Errno
	status int
	vars   [modelVars + 1]uint64
}

// model is the interpreter, slowly.
type model struct {
	outcome
	umask int64
	ended bool
}

func interpret(ops []modelOp, vars [modelVars + 1]uint64) outcome {
	m := model{outcome: outcome{failed: -1, vars: vars}, umask: startUmask}
	order := make([]int, len(ops))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(ops[a].phase) - int(ops[b].phase) })
	for pos := 0; pos < len(order) && !m.ended; {
		pos += 1 + m.perform(order[pos], &ops[order[pos]])
	}
	if !m.ended {
		m.status = FailedStatus
	}
	return m.outcome
}

// perform does operation i and returns how many are passed over next.
func (m *model) perform(i int, op *modelOp) (skip int) {
	if op.cond != 0 && m.vars[op.cond] == op.equal {
		return 0
	}
	if op.sweep {
		first, last := op.arg.value(m.vars[:]), op.last.value(m.vars[:])
		for n := first; n <= last && !m.ended; n++ {
			m.call(op.sys, n)
		}
		return 0
	}
	x, errno := m.call(op.sys, op.arg.value(m.vars[:]))
	if m.ended {
		return 0
	}
	if errno == 0 {
		if op.keep != 0 {
			m.vars[op.keep] = uint64(x)
		}
		return int(op.skip)
	}
	if !op.ignore && !slices.Contains(op.tolerate, uint8(errno)) {
		m.failed, m.errno, m.status, m.ended = i, errno, FailedStatus, true
	} else if op.keepError {
		m.vars[op.keep] = -uint64(errno)
	}
	return 0
}

// call is what the kernel does.
func (m *model) call(sys Sys, arg int64) (x int64, errno syscall.Errno) {
	switch sys {
	case Umask:
		x, m.umask = m.umask, arg&0o777
		return x, 0
	case ExitGroup:
		m.status, m.ended = int(arg&0xff), true
		return 0, 0
	case Getpgid:
		return 0, unix.ESRCH
	case Close, Fcntl:
		return 0, unix.EBADF
	case Dup3:
		return 0, unix.EINVAL
	}
	return 0, unix.ENOENT
}

// checkProgram runs a random program and compares it with the model.
func checkProgram(t *testing.T, data []byte) {
	t.Helper()
	r := random{slices.Clone(data)}
	var vars [modelVars + 1]uint64
	set := map[Var]uint64{}
	for v := 1; v <= modelVars; v++ {
		vars[v] = uint64(r.below(4))
		set[Var(v)] = vars[v]
	}
	ops := []modelOp{{sys: Umask, arg: operand{0, startUmask}}}
	for n := r.below(24); n > 0; n-- {
		ops = append(ops, r.op())
	}
	want := interpret(ops, vars)
	res := perform(t, build(ops), set)
	got := outcome{failed: -1, errno: res.errno, status: res.status.ExitStatus()}
	if res.failed {
		got.failed = res.step.Index
	}
	copy(got.vars[:], res.vars)
	got.vars[0], want.vars[0] = 0, 0
	if got != want {
		t.Errorf("data %x\n%sgot  %+v\nwant %+v", data, listing(ops), got, want)
	}
}

func listing(ops []modelOp) string {
	var b strings.Builder
	for i, op := range ops {
		fmt.Fprintf(&b, "%3d %+v %s\n", i, op, op.sys.Name())
	}
	return b.String()
}

func TestRandomPrograms(t *testing.T) {
	n := testenv.Rounds(4_000, 10_000)
	if testing.Short() {
		n = 1_000
	}
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, 400)
	for range n {
		for i := range data {
			data[i] = byte(rnd.Uint32())
		}
		if checkProgram(t, data); t.Failed() {
			return
		}
	}
}

func FuzzProgram(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{1, 2, 3, 0, 4, 1, 0, 1, 5, 1, 1, 1, 2, 3, 1, 4, 2, 2, 1, 8, 0, 7})
	f.Add([]byte(strings.Repeat("\x07\x01\x08\x02\x03\x05\x00", 30)))
	f.Fuzz(checkProgram)
}
