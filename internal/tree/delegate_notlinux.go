//go:build !linux

package tree

import (
	"errors"
	"fmt"
	"runtime"
)

// Delegate is for Linux.
func Delegate() error {
	return fmt.Errorf("spawn: no control groups on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

// MayLimit reports whether limits can be set: a job of Windows has some.
func MayLimit() (ok bool, about string) {
	return runtime.GOOS == "windows", "jobs of Windows have limits of memory, processes and CPU"
}
