package attr

import (
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

const (
	atFdcwd  = -100
	oWronly  = 0x1
	oCloexec = 0x80000

	eAcces        = 13
	accessRetries = 1000 // about 0.15 s
)

// openHostFile makes the child open a file of /proc, which is still the host's. It
// is root's file while another child is changing its ids.
func openHostFile(p *plan.Plan, path string) raw.OpRef {
	return p.Call(plan.HostFiles, raw.Openat, raw.Int(atFdcwd), p.Builder().String(path), raw.Int(oWronly|oCloexec), raw.Int(0)).
		Retry(eAcces, accessRetries)
}

// writeHostFile makes it write text, in one piece, and close the file.
func writeHostFile(p *plan.Plan, fd raw.Var, text string) {
	p.Call(plan.HostFiles, raw.Write, raw.VarArg(fd, 0), p.Builder().String(text), raw.Int(int64(len(text))))
	p.Call(plan.HostFiles, raw.Close, raw.VarArg(fd, 0))
}
