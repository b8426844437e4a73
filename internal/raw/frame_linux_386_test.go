package raw

import (
	"testing"
	"unsafe"
)

// What the disassembly may write to is all of the frame but where the run is.
func TestFrameLayout(t *testing.T) {
	var f frame
	for _, row := range []struct {
		name      string
		got, want uintptr
	}{
		{"frame.run", unsafe.Offsetof(f.run), 0},
		{"frame.op", unsafe.Offsetof(f.op), 4},
		{"frame.left", unsafe.Offsetof(f.left), 8},
		{"frame.args", unsafe.Offsetof(f.args), 12},
		{"sizeof frame", unsafe.Sizeof(f), 24},
	} {
		if row.got != row.want {
			t.Errorf("%s is %d, want %d", row.name, row.got, row.want)
		}
	}
}
