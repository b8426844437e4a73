package attr

import (
	"fmt"

	"github.com/safespawn/spawn/internal/plan"
)

// Parts of an instruction of classic BPF, as in linux/bpf_common.h.
const (
	maxFilter = 4096 // BPF_MAXINSNS

	bpfClass = 0x07
	bpfLD    = 0x00
	bpfLDX   = 0x01
	bpfST    = 0x02
	bpfSTX   = 0x03
	bpfALU   = 0x04
	bpfJMP   = 0x05
	bpfRET   = 0x06
	bpfMISC  = 0x07

	bpfX        = 0x08 // the operand is X, not K
	bpfLDImm    = bpfLD
	bpfLDAbs    = bpfLD | 0x20
	bpfLDMem    = bpfLD | 0x60
	bpfLDLen    = bpfLD | 0x80
	bpfLDXMem   = bpfLDX | 0x60
	bpfLDXLen   = bpfLDX | 0x80
	bpfSub      = bpfALU | 0x10
	bpfMul      = bpfALU | 0x20
	bpfDivK     = bpfALU | 0x30
	bpfOr       = bpfALU | 0x40
	bpfAnd      = bpfALU | 0x50
	bpfLshK     = bpfALU | 0x60
	bpfRshK     = bpfALU | 0x70
	bpfNeg      = bpfALU | 0x80
	bpfMod      = bpfALU | 0x90
	bpfXor      = bpfALU | 0xa0
	bpfJump     = bpfJMP
	bpfJeq      = bpfJMP | 0x10
	bpfJgt      = bpfJMP | 0x20
	bpfJge      = bpfJMP | 0x30
	bpfJset     = bpfJMP | 0x40
	bpfRetK     = bpfRET
	bpfRetA     = bpfRET | 0x10
	bpfTax      = bpfMISC
	bpfTxa      = bpfMISC | 0x80
	bpfMemWords = 16

	seccompData = 64 // bytes of struct seccomp_data
)

// checkFilter finds what the kernel would refuse, but for loads from scratch memory
// that was not stored to.
func checkFilter(filter []SockFilter) error {
	n := len(filter)
	if n == 0 || n > maxFilter {
		return invalid(plan.StepSeccomp, fmt.Sprintf("%d instructions", n), "not from 1 to %d", maxFilter)
	}
	for i, f := range filter {
		if why := badInstruction(f, uint64(n-i-1)); why != "" {
			return invalid(plan.StepSeccomp, fmt.Sprintf("instruction %d", i), "%s", why)
		}
	}
	if filter[n-1].Code&bpfClass != bpfRET {
		return invalid(plan.StepSeccomp, fmt.Sprintf("instruction %d", n-1), "the last one does not return")
	}
	return nil
}

// badInstruction says what is wrong with an instruction that is followed by others.
func badInstruction(f SockFilter, follow uint64) string {
	switch f.Code {
	case bpfLDImm, bpfLDLen, bpfLDX, bpfLDXLen, bpfNeg, bpfRetK, bpfRetA, bpfTax, bpfTxa:
		return ""
	case bpfLDAbs:
		return when(f.K >= seccompData || f.K%4 != 0, "loads no word of struct seccomp_data")
	case bpfLDMem, bpfLDXMem, bpfST, bpfSTX:
		return when(f.K >= bpfMemWords, "no such word of scratch memory")
	case bpfDivK:
		return when(f.K == 0, "divides by zero")
	case bpfLshK, bpfRshK:
		return when(f.K >= 32, "shifts by more than 31")
	case bpfJump:
		return when(uint64(f.K) >= follow, "jumps beyond the end")
	}
	switch op := f.Code &^ bpfX; {
	case op&bpfClass == bpfALU && op <= bpfXor && op != bpfNeg && op != bpfMod:
		return ""
	case op&bpfClass == bpfJMP && op > bpfJump && op <= bpfJset:
		return when(uint64(max(f.Jt, f.Jf)) >= follow, "jumps beyond the end")
	}
	return fmt.Sprintf("no instruction of a system call filter: %#x", f.Code)
}

// when is why, if something is wrong.
func when(wrong bool, why string) string {
	if !wrong {
		return ""
	}
	return why
}
