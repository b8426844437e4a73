//go:build !windows

package forkexec

import "syscall"

// begin is for Windows.
func (p *Program) begin(Child, *syscall.SysProcAttr) error { return nil }
