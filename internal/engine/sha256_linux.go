//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"encoding/binary"
	"math/bits"
)

// sha256 is the hash of FIPS 180-4. Package crypto/sha256 would link a dozen packages
// into each program that starts a process; a program is hashed once, and a few MB are
// soon done. The zero value is not ready: see newSHA256.
type sha256 struct {
	h     [8]uint32
	block [64]byte
	n     uint64 // bytes so far
}

func newSHA256() *sha256 {
	return &sha256{h: [8]uint32{
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	}}
}

// Write adds bytes. It never fails.
func (s *sha256) Write(b []byte) (int, error) {
	all := len(b)
	for len(b) > 0 {
		k := copy(s.block[s.n%64:], b)
		b = b[k:]
		if s.n += uint64(k); s.n%64 == 0 {
			s.mix()
		}
	}
	return all, nil
}

// sum ends the message and returns the hash of all of it.
func (s *sha256) sum() (sum [32]byte) {
	size := s.n * 8
	pad := make([]byte, 1+(119-s.n%64)%64+8)
	pad[0] = 0x80
	binary.BigEndian.PutUint64(pad[len(pad)-8:], size)
	_, _ = s.Write(pad) // never fails
	for i, x := range s.h {
		binary.BigEndian.PutUint32(sum[4*i:], x)
	}
	return sum
}

// mix adds a whole block to the hash.
func (s *sha256) mix() {
	var w [64]uint32
	for i := range 16 {
		w[i] = binary.BigEndian.Uint32(s.block[4*i:])
	}
	rotate := func(x uint32, n int) uint32 { return bits.RotateLeft32(x, -n) }
	for i := 16; i < 64; i++ {
		x, y := w[i-15], w[i-2]
		w[i] = w[i-16] + w[i-7] + (rotate(x, 7) ^ rotate(x, 18) ^ x>>3) + (rotate(y, 17) ^ rotate(y, 19) ^ y>>10)
	}
	a, b, c, d, e, f, g, h := s.h[0], s.h[1], s.h[2], s.h[3], s.h[4], s.h[5], s.h[6], s.h[7]
	for i := range 64 {
		t := h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e&f ^ ^e&g) + sha256Constants[i] + w[i]
		u := (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a&b ^ a&c ^ b&c)
		a, b, c, d, e, f, g, h = t+u, a, b, c, d+t, e, f, g
	}
	for i, x := range [...]uint32{a, b, c, d, e, f, g, h} {
		s.h[i] += x
	}
}

// sha256Constants are the first 32 bits of the fractions of the cube roots of the first
// 64 primes.
var sha256Constants = [64]uint32{
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
}
