package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

const (
	atFdcwd  = -100
	oWronly  = 0x1
	oCloexec = 0x80000
)

// openHostFile makes the child open a file of /proc, which is still the host's.
func openHostFile(p *plan.Plan, path string) raw.OpRef {
	p.OwnFiles = true
	return p.Call(plan.HostFiles, raw.Openat, raw.Int(atFdcwd), p.Builder().String(path), raw.Int(oWronly|oCloexec), raw.Int(0))
}

// writeHostFile makes it write text, in one piece, and close the file.
func writeHostFile(p *plan.Plan, fd raw.Var, text string) {
	p.Call(plan.HostFiles, raw.Write, raw.VarArg(fd, 0), p.Builder().String(text), raw.Int(int64(len(text))))
	p.Call(plan.HostFiles, raw.Close, raw.VarArg(fd, 0))
}
