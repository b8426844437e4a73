//go:build !linux

package exec

import (
	"errors"
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/forkexec"
)

// member is a child as its tree needs it.
type member struct{ forkexec.Child }

func newMember(p *os.Process) member { return member{forkexec.Of(p, true)} }

// Pid is the child's id, and the id of the group that it leads.
func (m member) Pid() int { return m.PID() }

// SignalTree sends to the process group. Whoever reaps the child by the Cmd waits for it.
func (m member) SignalTree(sig os.Signal) error {
	if errors.Is(m.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return os.ErrProcessDone
	}
	return m.SignalGroup(sig)
}

// release has nothing to let go of.
func (m member) release() {}
