//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package engine

import (
	std "crypto/sha256"
	"testing"
)

// hashed is the hash of text that is written in pieces.
func hashed(text []byte, piece int) [32]byte {
	s := newSHA256()
	for len(text) > piece {
		_, _ = s.Write(text[:piece]) // never fails
		text = text[piece:]
	}
	_, _ = s.Write(text)
	return s.sum()
}

// TestSHA256 compares the hash with that of the standard library, for all lengths
// around a block.
func TestSHA256(t *testing.T) {
	text := make([]byte, 300)
	for i := range text {
		text[i] = byte(i * i)
	}
	for n := range text {
		for _, piece := range []int{1, 7, 64, 300} {
			if got, want := hashed(text[:n], piece), std.Sum256(text[:n]); got != want {
				t.Fatalf("%d bytes in pieces of %d: %x, want %x", n, piece, got, want)
			}
		}
	}
}

func FuzzSHA256(f *testing.F) {
	f.Add([]byte("abc"), 1)
	f.Fuzz(func(t *testing.T, text []byte, piece int) {
		if got, want := hashed(text, max(piece, 1)), std.Sum256(text); got != want {
			t.Errorf("%x, want %x", got, want)
		}
	})
}
