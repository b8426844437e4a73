package exectest

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"

	"github.com/safespawn/spawn/internal/raw"
)

// Exited returns the state of a process that has exited with a code, from 0 to 255; on Windows
// codes have 32 bits. The error matches errors.ErrUnsupported if the code is another one, or if
// this Go is not known and the code is not 0.
func Exited(pid, code int) (*os.ProcessState, error) {
	s := raw.NewOSState(pid, exited(code))
	if s == nil && code == 0 {
		return new(os.ProcessState), nil
	}
	if s == nil || s.ExitCode() != code {
		return nil, fmt.Errorf("exectest: an os.ProcessState with exit code %d: %w", code, errors.ErrUnsupported)
	}
	return s, nil
}

// Signaled returns the state of a process that a signal has ended. On Windows it is that of
// exit code 1. The error matches errors.ErrUnsupported if the signal ends no process, such as
// CHLD, or 137, which is a status of shells, or if this Go is not known.
func Signaled(pid int, sig syscall.Signal) (*os.ProcessState, error) {
	if !isSignal(sig) || harmless(sig) {
		return nil, fmt.Errorf("exectest: no process is ended by signal %d: %w", int(sig), errors.ErrUnsupported)
	}
	s := raw.NewOSState(pid, signaled(sig))
	if s == nil || s.Success() {
		return nil, fmt.Errorf("exectest: an os.ProcessState of %v: %w", sig, errors.ErrUnsupported)
	}
	return s, nil
}

// firstPID is more than the pids of any kernel.
const firstPID = 1 << 30

var lastPID atomic.Int32

func newPID() int { return firstPID + int(lastPID.Add(1))%firstPID }
