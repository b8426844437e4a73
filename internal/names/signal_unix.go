//go:build unix

package names

import (
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Signal is the name of a signal, as SIGHUP, or "signal 40".
func Signal(sig syscall.Signal) string {
	if name := unix.SignalName(sig); name != "" {
		return name
	}
	return fmt.Sprintf("signal %d", int(sig))
}

// SignalNumber is the signal of a name, as SIGHUP; 0 is none.
func SignalNumber(name string) syscall.Signal { return unix.SignalNum(name) }
