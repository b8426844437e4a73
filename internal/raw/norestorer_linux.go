//go:build loong64 || riscv64

package raw

// restorer is a part of struct sigaction that this architecture does not have.
type restorer struct{}
