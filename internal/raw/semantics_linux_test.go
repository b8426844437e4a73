//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// noFD is a number above any descriptor that can be.
const noFD = 1 << 29

// program builds operations in one phase; each is a step of its own whose index
// is its position.
type program struct {
	Builder
	n int
}

func (p *program) call(sys Sys, args ...Arg) OpRef {
	p.Step(Step{Name: sys.Name(), Index: p.n})
	p.n++
	return p.Call(0, sys, args...)
}

func (p *program) fails() OpRef { return p.call(Close, Int(noFD)) }

func (p *program) exit(status int64) OpRef { return p.call(ExitGroup, Int(status)) }

func TestKeepAndVarArg(t *testing.T) {
	for _, plus := range []int32{0, 1, -1, 30, -30} {
		var p program
		in, old := p.Var(), p.Var()
		p.call(Umask, VarArg(in, plus))
		p.call(Umask, Int(0)).Keep(old)
		p.call(ExitGroup, VarArg(old, 3))
		const was = 0o40
		got := perform(t, p.Build(), map[Var]uint64{in: was})
		if want := was + int(plus); got.vars[old] != uint64(want) || !got.exited((want+3)&0xff) {
			t.Errorf("plus %d: kept %#o, want %#o; %+v", plus, got.vars[old], want, got)
		}
	}
}

func TestVarArgInTheFirstPositions(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	text := []byte("hello")
	var p program
	fd, buf, n := p.Var(), p.Var(), p.Var()
	p.call(Write, VarArg(fd, 0), VarArg(buf, 1), VarArg(n, -1))
	p.exit(0)
	got := perform(t, p.Build(), map[Var]uint64{fd: uint64(w.Fd()), buf: uint64(addr(&text[0])), n: uint64(len(text))})
	if !got.exited(0) {
		t.Fatalf("%+v", got)
	}
	b := make([]byte, 16)
	if k, _ := r.Read(b); string(b[:k]) != "ello" {
		t.Errorf("got %q", b[:k])
	}
}

// splice(2) looks at its length, then its flags, then its first descriptor.
func TestVarArgInTheLastPositions(t *testing.T) {
	for _, row := range []struct {
		length, flags uint64
		want          syscall.Errno
	}{{0, 1 << 20, 0}, {1, 1 << 20, unix.EINVAL}, {1, 0, unix.EBADF}} {
		var p program
		length, flags := p.Var(), p.Var()
		p.call(Prctl, Int(noFD), Int(0), Int(noFD), Int(0), VarArg(length, 0), VarArg(flags, 0))
		p.exit(0)
		prog := p.Build()
		prog.ops[0].nr = unix.SYS_SPLICE
		if got := perform(t, prog, map[Var]uint64{length: row.length, flags: row.flags}); got.errno != row.want {
			t.Errorf("length %d, flags %#x: %v, want %v", row.length, row.flags, got.errno, row.want)
		}
	}
}

// Variables and operations to pass over are counted beyond what a byte holds, or
// up to it.
func TestManyVariablesAndOperations(t *testing.T) {
	var p program
	vars := make([]Var, 600)
	for i := range vars {
		vars[i] = p.Var()
	}
	low, high, last := vars[43], vars[299], vars[599] // equal modulo 256 or not
	p.call(Umask, VarArg(high, 0))
	p.call(Umask, VarArg(last, 0)).Keep(high)
	p.call(Umask, Int(0)).Keep(last).Else(255)
	for range 255 {
		p.exit(1)
	}
	p.exit(2).SkipEqual(high, 0o70)
	p.exit(3)
	got := perform(t, p.Build(), map[Var]uint64{low: 1, high: 0o70, last: 0o7})
	if !got.exited(3) || got.vars[low] != 1 || got.vars[high] != 0o70 || got.vars[last] != 0o7 {
		t.Errorf("%+v", got.status)
	}
}

func TestSkipEqual(t *testing.T) {
	for _, x := range []uint64{0, 1, 77, 1 << 40, ^uint64(0)} {
		for _, value := range []uint64{0, 1, 77, 1 << 40, ^uint64(0)} {
			var p program
			v := p.Var()
			p.exit(1).SkipEqual(v, value)
			p.exit(2)
			want := 1
			if x == value {
				want = 2
			}
			if got := perform(t, p.Build(), map[Var]uint64{v: x}); !got.exited(want) {
				t.Errorf("variable %#x, value %#x: %+v", x, value, got)
			}
		}
	}
}

func TestAddrOf(t *testing.T) {
	var p program
	set, old, check := p.Var(), p.Var(), p.Var()
	p.call(RtSigprocmask, Int(unix.SIG_BLOCK), p.AddrOf(set), p.AddrOf(old), Int(sigsetSize))
	p.call(RtSigprocmask, Int(unix.SIG_SETMASK), p.AddrOf(set), Int(0), Int(sigsetSize))
	p.call(RtSigprocmask, Int(unix.SIG_BLOCK), Int(0), p.AddrOf(check), Int(sigsetSize))
	p.exit(0)
	const mask = 1<<(unix.SIGUSR1-1) | 1<<(unix.SIGTERM-1) | 1<<40
	got := perform(t, p.Build(), map[Var]uint64{set: mask})
	if !got.exited(0) {
		t.Fatalf("%+v", got)
	}
	const stop = 1<<(unix.SIGKILL-1) | 1<<(unix.SIGSTOP-1)
	if all := ^uint64(stop); got.vars[old] != all {
		t.Errorf("the child starts with mask %#x, want %#x", got.vars[old], all)
	}
	if got.vars[check] != mask {
		t.Errorf("mask %#x, want %#x", got.vars[check], uint64(mask))
	}
}

func TestSavedMask(t *testing.T) {
	withMask(t, 1<<(unix.SIGUSR2-1), func(mask uint64) {
		var p program
		now := p.Var()
		p.call(RtSigprocmask, Int(unix.SIG_SETMASK), p.SavedMask(), Int(0), Int(sigsetSize))
		p.call(RtSigprocmask, Int(unix.SIG_BLOCK), Int(0), p.AddrOf(now), Int(sigsetSize))
		p.exit(0)
		if got := perform(t, p.Build(), nil); !got.exited(0) || got.vars[now] != mask {
			t.Errorf("mask %#x, want %#x; %+v", got.vars[now], mask, got)
		}
	})
}

func TestIgnore(t *testing.T) {
	var p program
	v := p.Var()
	p.fails().Ignore().Keep(v)
	p.exit(3)
	if got := perform(t, p.Build(), map[Var]uint64{v: 11}); !got.exited(3) || got.vars[v] != 11 {
		t.Errorf("%+v", got)
	}
}

func TestKeepError(t *testing.T) {
	var p program
	ignored, tolerated := p.Var(), p.Var()
	p.fails().Ignore().KeepError(ignored)
	p.fails().Tolerate(uint8(unix.EBADF)).KeepError(tolerated)
	p.exit(3)
	got := perform(t, p.Build(), nil)
	if !got.exited(3) || Errno(got.vars[ignored]) != unix.EBADF || Errno(got.vars[tolerated]) != unix.EBADF {
		t.Errorf("%+v", got)
	}
}

func TestErrno(t *testing.T) {
	for result, want := range map[uint64]syscall.Errno{
		0: 0, 1: 0, 1 << 63: 0, ^uint64(0): 1, ^uint64(0) - 4094: 4095, ^uint64(0) - 4095: 0,
	} {
		if got := Errno(result); got != want {
			t.Errorf("%#x: %d, want %d", result, got, want)
		}
	}
}

// TestSpare has operations of three steps, of which two are spared: one whatever it fails
// with, and one for an errno that it fails with or not. One has a variable already.
func TestSpare(t *testing.T) {
	for _, spared := range []syscall.Errno{unix.EBADF, unix.EPERM} {
		var p program
		own := p.Var()
		p.fails()
		p.fails().Keep(own)
		p.call(Getpid)
		p.exit(7)
		list := p.Spare(func(s Step) ([]uint8, bool) {
			return map[int][]uint8{0: nil, 1: {uint8(spared)}, 2: nil}[s.Index], s.Index < 3
		})
		got := perform(t, p.Build(), nil)
		if failed := spared != unix.EBADF; got.failed != failed || failed && got.step.Index != 1 || !failed && !got.exited(7) {
			t.Fatalf("%v: %+v", spared, got)
		}
		if len(list) != 3 || list[1].Var != own || list[2].Step.Name != "getpid" {
			t.Fatalf("%+v", list)
		}
		if Errno(got.vars[list[0].Var]) != unix.EBADF || !got.failed && (Errno(got.vars[own]) != unix.EBADF || got.vars[list[2].Var] == 0) {
			t.Errorf("%v: %#x", spared, got.vars)
		}
	}
}

func TestTolerate(t *testing.T) {
	const other = uint8(unix.EPERM)
	for _, errnos := range [][]uint8{
		{uint8(unix.EBADF)},
		{other, uint8(unix.EBADF)},
		{other, other, uint8(unix.EBADF)},
	} {
		var p program
		p.fails().Tolerate(errnos...)
		p.exit(4)
		if got := perform(t, p.Build(), nil); !got.exited(4) {
			t.Errorf("%v: %+v", errnos, got)
		}
	}
	var p program
	p.call(Umask, Int(0))
	p.fails().Tolerate(other, other, other)
	p.exit(4)
	if got := perform(t, p.Build(), nil); !got.failed || got.errno != unix.EBADF || got.step.Index != 1 {
		t.Errorf("%+v", got)
	}
}

func TestElse(t *testing.T) {
	var p program
	p.call(Umask, Int(0)).Else(2, uint8(unix.EBADF))
	p.exit(1)
	p.exit(2)
	p.exit(3)
	if got := perform(t, p.Build(), nil); !got.exited(3) {
		t.Errorf("the alternative to a success was not passed over: %+v", got)
	}
	var q program
	q.fails().Else(1, uint8(unix.EBADF))
	q.exit(1)
	q.exit(2)
	if got := perform(t, q.Build(), nil); !got.exited(1) {
		t.Errorf("the alternative was not tried: %+v", got)
	}
	var r program
	r.fails().Else(1, uint8(unix.ENOENT))
	r.exit(1)
	if got := perform(t, r.Build(), nil); !got.failed || got.step.Index != 0 {
		t.Errorf("the alternative was tried on another errno: %+v", got)
	}
}

func TestFailureRecord(t *testing.T) {
	var p program
	p.call(Umask, Int(0))
	p.Step(Step{Name: "go there", Index: 7, Object: "/nonexistent/directory"})
	p.Call(0, Chdir, p.String("/nonexistent/directory"))
	p.exit(0)
	got := perform(t, p.Build(), nil)
	want := Step{Name: "go there", Index: 7, Object: "/nonexistent/directory"}
	if !got.failed || got.step != want || got.errno != unix.ENOENT {
		t.Errorf("%+v", got)
	}
	if !got.status.Exited() || got.status.ExitStatus() != FailedStatus {
		t.Errorf("status %#x", got.status)
	}
}

func TestFallingOffTheEnd(t *testing.T) {
	for n := range 3 {
		var p program
		for range n {
			p.call(Umask, Int(0))
		}
		if got := perform(t, p.Build(), nil); !got.exited(FailedStatus) {
			t.Errorf("%d operations: %+v", n, got)
		}
	}
}

// Each retry is a sleep, and each sleep a voluntary context switch, but on a slow
// machine the time may be over before the switch.
func TestRetryIsBounded(t *testing.T) {
	const few = 20 // other reasons to sleep
	for _, n := range []uint32{0, 1, 200} {
		var p program
		p.fails().Retry(uint8(unix.EBADF), n)
		began := time.Now()
		got := perform(t, p.Build(), nil)
		if !got.failed || got.errno != unix.EBADF || got.step.Index != 0 {
			t.Errorf("%d retries: %+v", n, got)
		}
		if d := time.Since(began); d < time.Duration(n)*retryPause {
			t.Errorf("%d retries took only %v", n, d)
		}
		if s := int64(got.usage.Nvcsw); s < int64(n)/2 || s > int64(n)+few {
			t.Errorf("%d retries, %d sleeps", n, s)
		}
	}
}

func TestRetryIsForOneErrno(t *testing.T) {
	var p program
	p.fails().Retry(uint8(unix.EPERM), 1_000_000)
	if got := perform(t, p.Build(), nil); !got.failed || got.errno != unix.EBADF {
		t.Errorf("%+v", got)
	}
}

// What is left to try after the last retry is what Tolerate says.
func TestRetryThenTolerate(t *testing.T) {
	var p program
	p.fails().Retry(uint8(unix.EBADF), 2).Tolerate(uint8(unix.EBADF))
	p.exit(6)
	if got := perform(t, p.Build(), nil); !got.exited(6) {
		t.Errorf("%+v", got)
	}
}

func TestRetryUntilFileIsNoLongerBusy(t *testing.T) {
	path := tinyProgram(t, 5)
	for _, release := range []bool{true, false} {
		writer, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		var b Builder
		b.Step(Step{Name: "close", Index: -1})
		b.Call(0, Close, Int(int64(writer.Fd()))) // the child's own
		retries := uint32(5)
		if release {
			retries = 1 << 30
		}
		b.exec(path).Retry(uint8(unix.ETXTBSY), retries)
		r := NewRun(b.Build())
		done := make(chan result)
		go func() {
			res, err := finish(r, usable(Clone{Flags: vfork, ErrFD: -1}))
			if err != nil {
				t.Error(err)
			}
			done <- res
		}()
		if release {
			select {
			case <-done:
				t.Error("the program was run while it was open for writing")
			case <-time.After(50 * time.Millisecond):
			}
			writer.Close()
		}
		got := <-done
		writer.Close()
		r.Free()
		if release && !got.exited(5) {
			t.Errorf("after the writer had gone: %+v", got)
		}
		if !release && (got.errno != unix.ETXTBSY || got.step.Name != "execve") {
			t.Errorf("with the writer there: %+v", got)
		}
	}
}

func TestSweep(t *testing.T) {
	for _, row := range []struct {
		first, last int64
		want        uint64 // the umask afterwards
	}{
		{5, 9, 9}, {5, 5, 5}, {5, 4, 0o22}, {9, 1, 0o22}, {0, 511, 511}, {-3, -1, 0o777}, {1, -1, 0o22},
		{1<<31 - 3, 1<<31 - 1, 0o777}, {1<<31 - 1, 1<<31 - 2, 0o22},
	} {
		for vars := range 4 {
			var p program
			first, last, now := p.Var(), p.Var(), p.Var()
			a, z := Int(row.first), Int(row.last)
			if vars&1 != 0 {
				a = VarArg(first, -7)
			}
			if vars&2 != 0 {
				z = VarArg(last, 7)
			}
			p.call(Umask, Int(0o22))
			p.call(Umask, a).Sweep(z)
			p.call(Umask, Int(0)).Keep(now)
			p.exit(0)
			got := perform(t, p.Build(), map[Var]uint64{first: uint64(row.first + 7), last: uint64(row.last - 7)})
			if !got.exited(0) || got.vars[now] != row.want {
				t.Errorf("%d to %d (variables %02b): umask %#o, want %#o; %+v", row.first, row.last, vars, got.vars[now], row.want, got)
			}
		}
	}
}

// A sweep goes on after errors: of three numbers the middle one is not open.
func TestSweepCloses(t *testing.T) {
	var p program
	const base = 900
	p.call(Dup3, Int(0), Int(base), Int(0))
	p.call(Dup3, Int(0), Int(base+2), Int(0))
	p.call(Close, Int(base)).Sweep(Int(base + 2))
	open := [3]Var{p.Var(), p.Var(), p.Var()}
	for i, v := range open {
		p.call(Fcntl, Int(int64(base+i)), Int(unix.F_GETFD), Int(0)).Keep(v).Tolerate(uint8(unix.EBADF))
	}
	p.exit(0)
	const untouched = 77
	got := perform(t, p.Build(), map[Var]uint64{open[0]: untouched, open[1]: untouched, open[2]: untouched})
	if !got.exited(0) {
		t.Fatalf("%+v", got)
	}
	for i, v := range open {
		if got.vars[v] != untouched {
			t.Errorf("descriptor %d is still open", base+i)
		}
	}
}
