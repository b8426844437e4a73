package attr

import (
	"runtime"

	"github.com/safespawn/spawn/internal/raw"
)

// auditArch is AUDIT_ARCH_* of the architectures that have the engine.
var auditArch = map[string]uint32{
	"386": 0x40000003, "amd64": 0xc000003e, "arm": 0x40000028, "arm64": 0xc00000b7, "loong64": 0xc0000102,
	"ppc64le": 0xc0000015, "riscv64": 0xc00000f3, "s390x": 0x80000016,
}[runtime.GOARCH]

// verdict is what a filter decides about a call of this architecture. It is not
// known where that depends on the call's arguments or place.
func verdict(filter []SockFilter, call raw.Sys) (action uint32, known bool) {
	if auditArch == 0 || call.Number() == 0 {
		return 0, false
	}
	result, known := runFilter(filter, uint32(call.Number()))
	return result & seccompAction, known
}

// runFilter runs a filter that checkFilter has found good, so that it ends.
func runFilter(filter []SockFilter, nr uint32) (result uint32, known bool) {
	var a, x uint32
	var mem [bpfMemWords]uint32
	for pc := 0; pc < len(filter); pc++ {
		f := filter[pc]
		operand := f.K
		if f.Code&bpfX != 0 {
			operand = x
		}
		switch f.Code {
		case bpfLDAbs:
			switch f.K {
			case 0:
				a = nr
			case 4:
				a = auditArch
			default:
				return 0, false
			}
		case bpfLDImm:
			a = f.K
		case bpfLDX:
			x = f.K
		case bpfLDLen:
			a = seccompData
		case bpfLDXLen:
			x = seccompData
		case bpfLDMem:
			a = mem[f.K]
		case bpfLDXMem:
			x = mem[f.K]
		case bpfST:
			mem[f.K] = a
		case bpfSTX:
			mem[f.K] = x
		case bpfTax:
			x = a
		case bpfTxa:
			a = x
		case bpfRetK:
			return f.K, true
		case bpfRetA:
			return a, true
		case bpfDivK | bpfX:
			if x == 0 {
				return 0, true
			}
			a /= x
		case bpfJump:
			pc += int(f.K)
		default:
			if f.Code&bpfClass == bpfALU {
				a = calculate(f.Code&^bpfX, a, operand)
			} else if jumps(f.Code&^bpfX, a, operand) {
				pc += int(f.Jt)
			} else {
				pc += int(f.Jf)
			}
		}
	}
	return 0, false
}

func calculate(op uint16, a, b uint32) uint32 {
	switch op {
	case bpfALU:
		return a + b
	case bpfSub:
		return a - b
	case bpfMul:
		return a * b
	case bpfDivK:
		return a / b
	case bpfOr:
		return a | b
	case bpfAnd:
		return a & b
	case bpfLshK:
		return a << (b & 31)
	case bpfRshK:
		return a >> (b & 31)
	case bpfNeg:
		return -a
	}
	return a ^ b
}

func jumps(op uint16, a, b uint32) bool {
	switch op {
	case bpfJeq:
		return a == b
	case bpfJgt:
		return a > b
	case bpfJge:
		return a >= b
	}
	return a&b != 0
}
