//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && spawn_nolinkname

package raw

// Without linkname the thread keeps its P while the child prepares itself.

func entersyscall() {}

func exitsyscall() {}
