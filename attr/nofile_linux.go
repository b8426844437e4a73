//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package attr

import "github.com/safespawn/spawn/internal/nofile"

// originalNoFile is the limit that this process was started with.
func originalNoFile() (soft, hard uint64, ok bool) {
	o := nofile.Original
	return o.Soft, o.Hard, o.Hard > 0
}
