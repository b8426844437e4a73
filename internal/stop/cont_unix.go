//go:build unix

package stop

import (
	"os"
	"syscall"
)

const cont = syscall.SIGCONT

// Wakes reports whether CONT has to follow a signal: a process that is stopped acts on no
// other but KILL. Signals that stop are meant to.
func Wakes(sig os.Signal) bool {
	switch sig {
	case syscall.SIGKILL, syscall.SIGCONT, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU, syscall.Signal(0):
		return false
	}
	return true
}
