package attr

import "golang.org/x/sys/unix"

// currentLimit reads this process's limit.
func currentLimit(resource int) (soft, hard uint64, ok bool) {
	var l unix.Rlimit
	if err := unix.Prlimit(0, resource, nil, &l); err != nil {
		return 0, 0, false
	}
	return l.Cur, l.Max, true
}
