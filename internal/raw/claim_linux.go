//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import "sync/atomic"

// claims counts, for each number of a descriptor, how often the kernel has given it to
// a pidfd of this library.
var claims [1 << 16]atomic.Uint32

// ClaimPidfd claims the number of a pidfd that was just made.
func ClaimPidfd(fd int) Claim {
	if fd < 0 || fd >= len(claims) {
		return Claim{}
	}
	return Claim{claims[fd].Add(1)}
}

// Holds reports whether nobody has claimed the number since.
func (c Claim) Holds(fd int) bool {
	return fd < 0 || fd >= len(claims) || claims[fd].Load() == c.n
}
