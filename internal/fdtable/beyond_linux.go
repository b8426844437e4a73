//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package fdtable

import (
	"errors"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// lookBeyond has the child fail for files beyond what the start takes for the table's end.
// Somebody may open one between that and the clone. In the child nobody can, as its table
// is its own. It can't look where there is no /proc. There a start takes the limit for the
// end.
func (f *Lowering) lookBeyond() {
	if f.vars.high == 0 {
		return
	}
	b := f.Builder()
	entry := b.Vars(entrySize / 8)
	at := raw.VarArg(f.vars.dir, 0)
	b.Step(raw.Step{Name: plan.StepFileTable, Part: uint8(plan.PartStart), Index: -1, Object: beside})
	open := raw.Int(unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC)
	f.Call(plan.FileTable, raw.Openat, raw.Int(unix.AT_FDCWD), b.String("/proc/self/fd"), open).Keep(f.vars.dir).Ignore()
	// The directory's offset of a descriptor is its number and 2, for "." and "..".
	f.Call(plan.FileTable, raw.Lseek, at, raw.VarArg(f.vars.high, 1+2), raw.Int(unix.SEEK_SET)).Ignore()
	f.Call(plan.FileTable, raw.Getdents64, at, b.AddrOf(entry), raw.Int(entrySize)).Ignore()
	f.Call(plan.FileTable, raw.Close, at).Ignore()
	f.Call(plan.FileTable, raw.Close, raw.Int(-1)).SkipEqual(entry, 0) // EBADF; an entry begins with an inode
}

// noFD is where there is no directory. 0 would be a file of the caller's.
const noFD = 1<<64 - 1

// entrySize has room for one entry of the directory: an inode, an offset, a length, a type
// and a number.
const entrySize = 32

// beside is the object of the failure of a child that finds files which were opened
// beside its start.
const beside = "opened beside the start"

// OpenedBeside reports whether a start has failed for files that others opened just then.
// The next one knows of the larger table.
func OpenedBeside(err error) bool {
	if err == nil {
		return false
	}
	var e *plan.Error
	return errors.As(err, &e) && e.Step == plan.StepFileTable && e.Object == beside
}
