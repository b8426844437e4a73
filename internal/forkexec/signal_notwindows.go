//go:build !windows

package forkexec

import "os"

func (c Child) signal(sig os.Signal) error { return c.proc.Signal(sig) }
