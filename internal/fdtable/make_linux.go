//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// openAt2 adds the call of an OpenAt2. The kernel refuses a mode that is of no use, and
// flags and modes that it does not know.
func (f *Lowering) openAt2(x *plan.Action, flag int, mode uint32) raw.OpRef {
	if flag&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) == 0 {
		mode = 0
	}
	b := f.Builder()
	how := b.Words(uint64(flag), uint64(mode), x.Resolve)
	return f.Call(plan.Files, raw.Openat2, fdArg(x.From), b.String(x.Path), how, raw.Int(unix.SizeofOpenHow))
}

// lowerMake makes a directory or a symbolic link.
func (f *Lowering) lowerMake(x *plan.Action) {
	b := f.Builder()
	if x.Kind == plan.ActMkdir {
		f.Call(plan.Files, raw.Mkdirat, fdArg(plan.AtFdcwd), b.String(x.Path), raw.Int(int64(plan.ModeBits(x.Perm))))
		return
	}
	f.Call(plan.Files, raw.Symlinkat, b.String(x.Target), fdArg(plan.AtFdcwd), b.String(x.Path))
}
