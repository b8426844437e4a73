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
	c.bounding, _ = boundingSet() // empty where it can't be read
	bits, err := unix.PrctlRetInt(unix.PR_GET_SECUREBITS, 0, 0, 0, 0)
	c.noRoot = err == nil && bits&secbitNoRoot != 0
	c.noNewPrivs = hasNoNewPrivs()
	ruid, euid, _ := unix.Getresuid()
	rgid, egid, _ := unix.Getresgid()
	c.ruid, c.euid, c.rgid, c.egid = uint32(ruid), uint32(euid), uint32(rgid), uint32(egid)
	return c, true
}

// boundingSet is that of the calling thread. The error says that it can't be read.
func boundingSet() (set uint64, err error) {
	for n := range maxCapability + 1 {
		switch has, err := unix.PrctlRetInt(unix.PR_CAPBSET_READ, uintptr(n), 0, 0, 0); {
		case err == unix.EINVAL && n > 0:
			return set, nil // the kernel knows no more
		case err != nil:
			return 0, err
		case has == 1:
			set |= 1 << n
		}
	}
	return set, nil
}
