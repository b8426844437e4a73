//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x)

package attr

// originalNoFile is not needed where limits are not lowered to system calls.
func originalNoFile() (soft, hard uint64, ok bool) { return 0, 0, false }
