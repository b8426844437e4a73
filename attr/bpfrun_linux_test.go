//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package attr

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// errnoOf has a child call getpgid under a filter that makes an errno of it.
func errnoOf(t *testing.T, filter []SockFilter) uint32 {
	t.Helper()
	p := plan.New()
	defer p.Free()
	NoNewPrivs{}.lower(p)
	Seccomp{Filter: filter}.lower(p)
	p.Call(plan.Exec, raw.Getpgid, raw.Int(0))
	p.Call(plan.Exec, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(p.Build())
	defer r.Free()
	pid, errno := r.Start(raw.Clone{Flags: unix.CLONE_VM | unix.CLONE_VFORK, Legacy: true, ErrFD: -1})
	if errno != 0 {
		t.Fatal(errno)
	}
	_, why, _ := r.Failure()
	var x raw.Exit
	raw.Waitid(unix.P_PID, pid, unix.WEXITED, &x)
	return uint32(why)
}

// TestVerdictsAsTheKernel has filters calculate at random, and wants the kernel to
// come to the same result.
func TestVerdictsAsTheKernel(t *testing.T) {
	codes := []uint16{
		bpfLDAbs, bpfLDImm, bpfLDX, bpfLDLen, bpfLDXLen, bpfLDMem, bpfLDXMem, bpfST, bpfSTX, bpfTax, bpfTxa, bpfDivK, bpfLshK, bpfRshK,
		bpfALU, bpfSub, bpfMul, bpfOr, bpfAnd, bpfNeg, bpfXor, bpfALU | bpfX, bpfSub | bpfX, bpfMul | bpfX, bpfOr | bpfX, bpfAnd | bpfX,
		bpfXor | bpfX, bpfLshK | bpfX, bpfRshK | bpfX, bpfJump, bpfJeq, bpfJgt, bpfJge, bpfJset, bpfJeq | bpfX, bpfJgt | bpfX, bpfJge | bpfX, bpfJset | bpfX,
	}
	seen := map[uint32]bool{}
	for range 1000 {
		filter := []SockFilter{
			{Code: bpfLDAbs}, {Code: bpfJeq, Jt: 1, K: uint32(raw.Getpgid.Number())}, {Code: bpfRetK, K: seccompAllow},
			{Code: bpfLDX, K: rand.Uint32()}, {Code: bpfST, K: 0}, {Code: bpfSTX, K: 1}, {Code: bpfST, K: 4}, {Code: bpfSTX, K: 3}, {Code: bpfST, K: 2},
		}
		for range 12 {
			f := SockFilter{Code: codes[rand.N(len(codes))], Jt: uint8(rand.N(3)), Jf: uint8(rand.N(3)), K: rand.N(uint32(5))}
			switch f.Code {
			case bpfLDAbs:
				f.K = f.K % 2 * 4
			case bpfJump:
				f.K %= 3
			case bpfLshK, bpfRshK:
				f.K = rand.N(uint32(32))
			case bpfDivK:
				f.K++
			case bpfLDImm, bpfXor, bpfAnd, bpfOr, bpfMul:
				f.K = rand.Uint32()
			}
			filter = append(filter, f)
		}
		filter = append(filter, SockFilter{Code: bpfAnd, K: 0x7ff}, SockFilter{Code: bpfAnd, K: 0x7ff},
			SockFilter{Code: bpfAnd, K: 0x7ff}, SockFilter{Code: bpfOr, K: seccompErrno}, SockFilter{Code: bpfRetA})
		if err := checkFilter(filter); err != nil {
			t.Fatal(err)
		}
		result, known := runFilter(filter, uint32(raw.Getpgid.Number()))
		if got := errnoOf(t, filter); !known || result != seccompErrno|got {
			t.Fatalf("%+v: %#x, %v; the kernel makes it %#x", filter, result, known, got)
		}
		seen[result] = true
	}
	if len(seen) < 100 {
		t.Errorf("only %d results", len(seen))
	}
}

func TestVerdicts(t *testing.T) {
	decide := func(call raw.Sys, then uint32, load uint32) []SockFilter {
		return []SockFilter{
			{Code: bpfLDAbs, K: load}, {Code: bpfJeq, Jf: 1, K: uint32(call.Number())}, {Code: bpfRetK, K: then}, {Code: bpfRetK, K: seccompAllow},
		}
	}
	var c plan.Claims
	for _, bad := range [][]SockFilter{
		decide(raw.Execve, 0, 0), decide(raw.Execve, 1<<31, 0), decide(raw.Execve, 0x30000, 0), decide(raw.Execve, 12345, 0),
		decide(raw.ExitGroup, 0, 0), decide(raw.ExitGroup, seccompErrno|1, 0), decide(raw.ExitGroup, seccompTrace, 0),
		{{Code: bpfLDX}, {Code: bpfDivK | bpfX}, {Code: bpfRetK, K: seccompAllow}},
	} {
		if err := (Seccomp{Filter: bad}).check(&c); err == nil {
			t.Errorf("%+v", bad)
		}
	}
	for _, good := range [][]SockFilter{
		decide(raw.Execve, seccompErrno|1, 0), decide(raw.Execve, seccompNotify, 0), decide(raw.Execve, seccompTrace|7, 0),
		decide(raw.ExitGroup, seccompLog, 0), decide(raw.ExitGroup, seccompAllow|5, 0), decide(raw.Execve, 0, 16), decide(raw.Getpid, 0, 0),
	} {
		var c plan.Claims
		if err := (Seccomp{Filter: good}).check(&c); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	if !kills(decide(raw.Nanosleep, 0, 0), raw.Nanosleep) || kills(decide(raw.Nanosleep, 0, 0), raw.Getpid) {
		t.Error("nanosleep")
	}
}
