//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package attr_test

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
)

// install has a child install a filter, whatever it is, and end.
func install(t *testing.T, filter []attr.SockFilter) syscall.Errno {
	t.Helper()
	var b raw.Builder
	words := make([]uint64, len(filter))
	for i, f := range filter {
		words[i] = raw.Instruction(f.Code, f.Jt, f.Jf, f.K)
	}
	zero := raw.Int(0)
	b.Step(raw.Step{Name: "seccomp", Index: -1})
	b.Call(0, raw.Prctl, raw.Int(unix.PR_SET_NO_NEW_PRIVS), raw.Int(1), zero, zero, zero)
	b.Call(0, raw.Seccomp, raw.Int(unix.SECCOMP_SET_MODE_FILTER), zero, b.Filter(words...))
	b.Call(0, raw.ExitGroup, zero)
	r := raw.NewRun(b.Build())
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: unix.CLONE_VM | unix.CLONE_VFORK, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	_, why, _ := r.Failure()
	var x raw.Exit
	raw.Waitid(unix.P_PID, pid, unix.WEXITED, &x)
	return why
}

// TestFiltersAsTheKernel wants the kernel to refuse the same filters. The first
// instruction allows all, so that the others, which are looked at too, don't count.
func TestFiltersAsTheKernel(t *testing.T) {
	constants := []uint32{0, 1, 2, 4, 15, 16, 31, 32, 60, 61, 64, allow, ^uint32(0)}
	random := func(int) attr.SockFilter {
		code := uint16(rand.N(256))
		if rand.N(3) > 0 {
			code = []uint16{ldAbs, jump, jeq, ret, 0x02, 0x03, 0x04, 0x34, 0x3c, 0x64, 0x74, 0x84, 0x87, 0x16}[rand.N(14)]
		}
		return bpf(code, uint8(rand.N(3)), uint8(rand.N(3)), constants[rand.N(len(constants))])
	}
	var good, bad int
	for range 1500 {
		filter := []attr.SockFilter{bpf(ret, 0, 0, allow)}
		for i := range 1 + rand.N(3) {
			filter = append(filter, random(i))
		}
		if rand.N(4) > 0 {
			filter = append(filter, bpf(ret, 0, 0, allow))
		}
		loads := slices.ContainsFunc(filter, func(f attr.SockFilter) bool { return f.Code&^1 == ldMem })
		ours, kernels := check(attr.List{attr.Seccomp{Filter: filter}}), install(t, filter)
		if loads && ours == nil && kernels != 0 {
			continue // of what was never stored
		}
		if (ours == nil) != (kernels == 0) {
			t.Errorf("%+v: %v, but the kernel says %v", filter, ours, kernels)
		}
		if ours == nil {
			good++
		} else {
			bad++
		}
	}
	if good < 100 || bad < 100 {
		t.Errorf("%d good, %d bad", good, bad)
	}
}
