//go:build !(loong64 || riscv64)

package raw

// restorer is a part of struct sigaction that not all architectures have.
type restorer uintptr
