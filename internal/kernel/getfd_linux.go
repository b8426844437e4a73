//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// MayGetFD reports whether no filter of the calling thread is against pidfd_getfd, which may
// kill for it: it is tried in a child. A kernel that lacks the call does not count.
func MayGetFD() bool {
	if Known().mode() != 0 {
		t := tryWith(0, func(b *raw.Builder) { // the dumpable flag belongs to the memory
			if zero := raw.Int(0); !Known().noPrctl {
				b.Call(0, raw.Prctl, raw.Int(unix.PR_SET_DUMPABLE), zero, zero, zero, zero).Ignore() // for no core
			}
			b.Call(0, raw.PidfdGetfd, raw.Int(-1), raw.Int(-1), raw.Int(0)).Ignore()
		})
		if !t.succeeds() {
			return false
		}
	}
	_, err := unix.PidfdGetfd(-1, -1, 0)
	return err != unix.EPERM
}
