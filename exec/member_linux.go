//go:build android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package exec

import (
	"os"

	"github.com/safespawn/spawn/internal/highfd"
)

// member is a child as its tree needs it. Its pidfd also stands for its process group when
// the user has reaped it by Process.Wait, which closes the one of package os.
type member struct {
	process *os.Process
	pidfd   *highfd.Held // nil where there is none
}

func newMember(p *os.Process) (m member) {
	m.process = p
	_ = p.WithHandle(func(h uintptr) { // else there is none
		if fd, err := highfd.Dup(int(h)); err == nil {
			m.pidfd, _ = highfd.Hold(fd, "pidfd") // nil after an error
		}
	})
	return m
}

// Pid is the child's id, and the id of the group that it leads.
func (m member) Pid() int { return m.process.Pid }

// Signal sends to the child alone.
func (m member) Signal(sig os.Signal) error { return m.process.Signal(sig) }

// WithPidfd calls f with the pidfd.
func (m member) WithPidfd(f func(fd uintptr) error) error {
	if m.pidfd == nil {
		return os.ErrNoHandle
	}
	return m.pidfd.With(func(fd int) error { return f(uintptr(fd)) })
}

// release lets go of the child, which was reaped.
func (m member) release() { m.pidfd.Close() }
