//go:build !unix

package names

import (
	"fmt"
	"syscall"
)

// Signal is "signal 40".
func Signal(sig syscall.Signal) string { return fmt.Sprintf("signal %d", int(sig)) }
