//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// cloneError says what a failure of clone is about.
func (p *Program) cloneError(errno syscall.Errno) error {
	e := &Error{Path: p.path, Step: "clone", Index: -1, Err: errno}
	switch errno {
	case unix.EAGAIN:
		e.Object = "limit of processes (RLIMIT_NPROC, pids.max or kernel.pid_max)"
	case unix.EMFILE:
		e.Object = "no descriptor left for the pidfd (RLIMIT_NOFILE)"
	case unix.ENOMEM:
	default:
		if p.clone.Bits != 0 && (p.cgroup.File == nil || ofNamespaces(errno)) {
			e.Index, e.Object = p.clone.Index, p.clone.Object
			if needs := lacksNamespaces(p.clone.Bits); errno == unix.EINVAL && needs != "" {
				e.Err = &lacking{needs, errno}
			}
		} else if p.cgroup.File != nil {
			e.Step, e.Index, e.Object = "cgroup", p.cgroup.Index, p.cgroup.Name()
		}
	}
	return e
}
