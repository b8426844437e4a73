//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"encoding/binary"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/names"
)

// capSet is a set of capabilities.
type capSet uint64

func (s capSet) has(n int) bool { return s>>n&1 != 0 }

func (s *capSet) add(list []attr.Capability) {
	for _, n := range list {
		*s |= 1 << n
	}
}

func capsOf(list []attr.Capability) (s capSet) {
	s.add(list)
	return s
}

// String names them.
func (s capSet) String() string {
	var all []string
	for n := range 64 {
		if s.has(n) {
			all = append(all, names.Capability(n))
		}
	}
	return strings.Join(all, ", ")
}

type capSets struct{ effective, permitted, inheritable capSet }

// threadCaps are those of this thread.
func threadCaps() (c capSets, err error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var d [2]unix.CapUserData
	if err := unix.Capget(&header, &d[0]); err != nil {
		return c, err
	}
	both := func(low, high uint32) capSet { return capSet(high)<<32 | capSet(low) }
	return capSets{
		both(d[0].Effective, d[1].Effective), both(d[0].Permitted, d[1].Permitted), both(d[0].Inheritable, d[1].Inheritable),
	}, nil
}

func boundingSet() (s capSet) {
	for n := range 64 {
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err == nil && has == 1 {
			s |= 1 << n
		}
	}
	return s
}

// fileCaps are the capabilities of a program's file. It is sure to use them where
// they are effective from the start: execve then fails if it can't have them all.
func fileCaps(path string) (c capSets, sure bool) {
	const effective = 1 // VFS_CAP_FLAGS_EFFECTIVE
	b := make([]byte, 64)
	n, err := unix.Lgetxattr(path, "security.capability", b)
	if err != nil || n < 12 {
		return c, false
	}
	le := binary.LittleEndian
	c.permitted, c.inheritable = capSet(le.Uint32(b[4:])), capSet(le.Uint32(b[8:]))
	if n >= 20 {
		c.permitted |= capSet(le.Uint32(b[12:])) << 32
		c.inheritable |= capSet(le.Uint32(b[16:])) << 32
	}
	return c, le.Uint32(b)&effective != 0
}

// inInitialUserNamespace reports whether this thread is in the user namespace whose
// capabilities are about the machine.
func inInitialUserNamespace() bool {
	f := strings.Fields(readText("/proc/thread-self/uid_map"))
	return len(f) == 0 || len(f) == 3 && f[0] == "0" && f[1] == "0" && f[2] == "4294967295"
}
