//go:build !unix

package names

import (
	"fmt"
	"syscall"
)

// Signal is "signal 40".
func Signal(sig syscall.Signal) string { return fmt.Sprintf("signal %d", int(sig)) }

// SignalNumber finds nothing: a program gets no signals here.
func SignalNumber(string) syscall.Signal { return 0 }
