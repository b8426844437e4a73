//go:build unix

package exectest

import "syscall"

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
