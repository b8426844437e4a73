//go:build unix && !linux

package forkexec

import "syscall"

// setCgroup has nothing to do.
func (p *Program) setCgroup(*heldFiles, *syscall.SysProcAttr) error { return nil }
