package raw

import (
	"encoding/binary"
	"testing"
)

// What is put together is, in memory, what the kernel's structures have there.
func TestOrder(t *testing.T) {
	ne := binary.NativeEndian
	memory := func(x uint64) string { return string(ne.AppendUint64(nil, x)) }
	if got, want := memory(Pair(1, 2)), string(ne.AppendUint32(ne.AppendUint32(nil, 1), 2)); got != want {
		t.Errorf("Pair is % x, want % x", got, want)
	}
	if got, want := memory(Instruction(0x102, 3, 4, 5)), string(ne.AppendUint32(append(ne.AppendUint16(nil, 0x102), 3, 4), 5)); got != want {
		t.Errorf("Instruction is % x, want % x", got, want)
	}
	var data [64]byte // struct seccomp_data: number, architecture, pointer, arguments
	for i := range 7 {
		ne.PutUint64(data[8+8*i:], uint64(i)<<32|uint64(10+i))
	}
	for i := -1; i < 6; i++ {
		low, high := ne.Uint32(data[LowOfArg(i):]), ne.Uint32(data[HighOfArg(i):])
		if low != uint32(11+i) || high != uint32(1+i) {
			t.Errorf("argument %d is %d and %d", i, low, high)
		}
	}
}
