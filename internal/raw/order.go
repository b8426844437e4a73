package raw

import "encoding/binary"

// BigEndian reports whether the high half of a word comes first in memory.
var BigEndian = binary.NativeEndian.Uint16([]byte{0, 1}) == 1

// lowHalf is where the low half of a variable is, in bytes.
func lowHalf() int32 {
	if BigEndian {
		return 4
	}
	return 0
}

// Pair is two words of 32 bits, one after the other in memory, as one of 64.
func Pair(first, second uint32) uint64 {
	if BigEndian {
		return uint64(first)<<32 | uint64(second)
	}
	return uint64(second)<<32 | uint64(first)
}

// Instruction is a struct sock_filter, as a word of 64 bits.
func Instruction(code uint16, jt, jf uint8, k uint32) uint64 {
	if BigEndian {
		return Pair(uint32(code)<<16|uint32(jt)<<8|uint32(jf), k)
	}
	return Pair(uint32(code)|uint32(jt)<<16|uint32(jf)<<24, k)
}

// Filter is a struct sock_fprog: a length of 16 bits, and the address of instructions.
func (b *Builder) Filter(instructions ...uint64) Arg {
	n := int64(len(instructions))
	if BigEndian {
		n <<= 8*wordSize - 16
	}
	return b.Struct(Int(n), b.Words(instructions...))
}

// Pointer is where struct seccomp_data has the halves of the instruction pointer.
func Pointer() (low, high uint32) { return LowOfArg(-1), HighOfArg(-1) }

// LowOfArg and HighOfArg are where struct seccomp_data has the halves of an argument of a
// system call.
func LowOfArg(n int) uint32 { return uint32(16+8*n) + uint32(lowHalf()) }

// HighOfArg is beside LowOfArg.
func HighOfArg(n int) uint32 { return LowOfArg(n) ^ 4 }
