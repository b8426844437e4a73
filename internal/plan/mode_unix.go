//go:build unix

package plan

import (
	"io/fs"
	"os"
	"syscall"
)

// ModeBits converts permissions as os.OpenFile does.
func ModeBits(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	if m&os.ModeSetuid != 0 {
		bits |= syscall.S_ISUID
	}
	if m&os.ModeSetgid != 0 {
		bits |= syscall.S_ISGID
	}
	if m&os.ModeSticky != 0 {
		bits |= syscall.S_ISVTX
	}
	return bits
}
