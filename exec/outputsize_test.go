package exec_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

// TestOutputSizes wants all of an output, whatever its size, and no more than MaxOutput.
func TestOutputSizes(t *testing.T) {
	cat, err := exec.LookPath("cat")
	if err != nil {
		testenv.Skip(t, "no cat(1)")
	}
	file := filepath.Join(t.TempDir(), "file")
	for _, size := range []int{0, 1, 511, 512, 513, 1024, 1025, 65_536, 65_537, 2 << 20, 5<<20 + 1} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i ^ i>>8 ^ i>>16)
		}
		if err := os.WriteFile(file, want, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, limit := range []int{0, size - 1, size, size + 1} {
			if limit < 0 || limit == 0 && size == 1 {
				continue
			}
			c := exec.Command(cat, file)
			c.MaxOutput = limit
			out, err := c.CombinedOutput()
			if limit == 0 || limit >= size {
				if err != nil || !bytes.Equal(out, want) {
					t.Errorf("%d bytes, at most %d: %d bytes, %v", size, limit, len(out), err)
				}
			} else if !errors.Is(err, exec.ErrMaxOutput) || !bytes.Equal(out, want[:limit]) {
				t.Errorf("%d bytes, at most %d: %d bytes, %v", size, limit, len(out), err)
			}
		}
	}
}

// TestSmallOutputAllocations wants a small output to be collected by little more than the slice
// that grows: the Cmd, its method and the reader are three more.
func TestSmallOutputAllocations(t *testing.T) {
	for size, most := range map[int]float64{100: 4, 1024: 5, 4096: 9} {
		want := make([]byte, size)
		got := testenv.Allocations(func() {
			if out, err := exec.Collect(bytes.NewReader(want)); err != nil || !bytes.Equal(out, want) {
				t.Errorf("%d bytes: %d, %v", size, len(out), err)
			}
		})
		t.Log(size, got)
		if got > most && testenv.Optimised() {
			t.Errorf("%d bytes: %v allocations, more than %v", size, got, most)
		}
	}
}
