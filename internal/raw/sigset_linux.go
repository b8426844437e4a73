package raw

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sigset is the set of signals of which bit n-1 is signal n.
func Sigset(mask uint64) (set unix.Sigset_t) {
	*(*uint64)(unsafe.Pointer(&set)) = mask
	return set
}

// Mask is what Sigset makes such a set of.
func Mask(set *unix.Sigset_t) uint64 { return *(*uint64)(unsafe.Pointer(set)) }
