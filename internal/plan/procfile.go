package plan

import "github.com/safespawn/spawn/internal/raw"

// Of linux/fcntl.h; package plan is for all systems.
const (
	oWronly  = 0x1
	oCloexec = 0x80000
)

// OpenProc makes the child open a file of its own in /proc.
func (p *Plan) OpenProc(ph Phase, path string) raw.OpRef {
	p.OwnFiles = true
	return p.Call(ph, raw.Openat, raw.Int(AtFdcwd), p.b.String(path), raw.Int(oWronly|oCloexec), raw.Int(0))
}

// WriteProc makes it write text, in one piece, and close the file.
func (p *Plan) WriteProc(ph Phase, fd raw.Var, text string) {
	p.Call(ph, raw.Write, raw.VarArg(fd, 0), p.b.String(text), raw.Int(int64(len(text))))
	p.Call(ph, raw.Close, raw.VarArg(fd, 0))
}
