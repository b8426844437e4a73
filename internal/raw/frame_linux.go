//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !386

package raw

// stackAlign is what arm64 asks of a stack.
const stackAlign = 16

// frame is of no use where the child has registers enough.
type frame struct{}

func (*frame) reset(*run, *Op) {}
