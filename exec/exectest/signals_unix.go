//go:build unix

package exectest

import (
	"runtime"
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
)

const sigPipe = syscall.SIGPIPE

// harmless reports whether a signal ends no program by default.
func harmless(sig syscall.Signal) bool {
	switch sig {
	case 0, syscall.SIGCHLD, syscall.SIGCONT, syscall.SIGURG, syscall.SIGWINCH,
		syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU:
		return true
	}
	return false
}

// isSignal reports whether a number may be that of a signal: up to 64 on Linux, and elsewhere
// as far as the status of a process has room.
func isSignal(sig syscall.Signal) bool {
	last := syscall.Signal(126)
	if runtime.GOOS == "linux" {
		last = plan.LastSignal
	}
	return sig > 0 && sig <= last
}

// untouchable reports whether a program can't handle or ignore a signal.
func untouchable(sig syscall.Signal) bool { return sig == syscall.SIGKILL || sig == syscall.SIGSTOP }
