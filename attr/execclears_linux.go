package attr

import "golang.org/x/sys/unix"

// currentCreds are those of the calling thread.
func currentCreds() (c execCreds, ok bool) {
	var sets [2]unix.CapUserData
	if err := unix.Capget(&unix.CapUserHeader{Version: capabilityVersion3}, &sets[0]); err != nil {
		return c, false
	}
	c.permitted = uint64(sets[0].Permitted) | uint64(sets[1].Permitted)<<32
	c.inheritable = uint64(sets[0].Inheritable) | uint64(sets[1].Inheritable)<<32
	for n := range maxCapability + 1 {
		// It fails for what the kernel doesn't know.
		if has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); err == nil && has == 1 {
			c.bounding |= 1 << n
		}
	}
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	c.noRoot = err == nil && bits&secbitNoRoot != 0
	c.noNewPrivs = hasNoNewPrivs()
	ruid, euid, _ := unix.Getresuid()
	rgid, egid, _ := unix.Getresgid()
	c.ruid, c.euid, c.rgid, c.egid = uint32(ruid), uint32(euid), uint32(rgid), uint32(egid)
	return c, true
}
