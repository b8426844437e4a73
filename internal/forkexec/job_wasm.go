package forkexec

import "syscall"

// sysOf is base.
func (p *Program) sysOf(base *syscall.SysProcAttr) *syscall.SysProcAttr { return base }
