//go:build amd64 || arm64

package raw

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers are those of the kernel's headers: struct clone_args of
// linux/sched.h, siginfo_t of asm-generic/siginfo.h.
func TestKernelLayouts(t *testing.T) {
	var c cloneArgs
	var s siginfo
	for _, row := range []struct {
		name      string
		got, want uintptr
	}{
		{"clone_args.flags", unsafe.Offsetof(c.flags), 0},
		{"clone_args.pidfd", unsafe.Offsetof(c.pidFD), 8},
		{"clone_args.child_tid", unsafe.Offsetof(c.childTID), 16},
		{"clone_args.parent_tid", unsafe.Offsetof(c.parentTID), 24},
		{"clone_args.exit_signal", unsafe.Offsetof(c.exitSignal), 32},
		{"clone_args.stack", unsafe.Offsetof(c.stack), 40},
		{"clone_args.stack_size", unsafe.Offsetof(c.stackSize), 48},
		{"clone_args.tls", unsafe.Offsetof(c.tls), 56},
		{"clone_args.set_tid", unsafe.Offsetof(c.setTID), 64},
		{"clone_args.set_tid_size", unsafe.Offsetof(c.setTIDSize), 72},
		{"clone_args.cgroup", unsafe.Offsetof(c.cgroup), 80},
		{"sizeof clone_args", unsafe.Sizeof(c), 88},
		{"siginfo.si_signo", unsafe.Offsetof(s.signo), 0},
		{"siginfo.si_errno", unsafe.Offsetof(s.errno), 4},
		{"siginfo.si_code", unsafe.Offsetof(s.code), 8},
		{"siginfo.si_pid", unsafe.Offsetof(s.pid), 16},
		{"siginfo.si_uid", unsafe.Offsetof(s.uid), 20},
		{"siginfo.si_status", unsafe.Offsetof(s.status), 24},
		{"sizeof siginfo", unsafe.Sizeof(s), 128},
		{"sizeof unix.Siginfo", unsafe.Sizeof(unix.Siginfo{}), 128},
	} {
		if row.got != row.want {
			t.Errorf("%s is %d, the kernel's is %d", row.name, row.got, row.want)
		}
	}
}

// The assembly reads these through go_asm.h; the table makes a change of the
// layout a decision.
func TestEngineLayouts(t *testing.T) {
	var o Op
	var r run
	for _, row := range []struct {
		name      string
		got, want uintptr
	}{
		{"Op.nr", unsafe.Offsetof(o.nr), 0},
		{"Op.flags", unsafe.Offsetof(o.flags), 4},
		{"Op.varArgs", unsafe.Offsetof(o.varArgs), 6},
		{"Op.skip", unsafe.Offsetof(o.skip), 7},
		{"Op.keep", unsafe.Offsetof(o.keep), 8},
		{"Op.cond", unsafe.Offsetof(o.cond), 10},
		{"Op.tolerate", unsafe.Offsetof(o.tolerate), 12},
		{"Op.again", unsafe.Offsetof(o.again), 15},
		{"Op.retries", unsafe.Offsetof(o.retries), 16},
		{"Op.step", unsafe.Offsetof(o.step), 20},
		{"Op.equal", unsafe.Offsetof(o.equal), 24},
		{"Op.args", unsafe.Offsetof(o.args), 32},
		{"sizeof Op", unsafe.Sizeof(o), 80},
		{"run.ops", unsafe.Offsetof(r.ops), 0},
		{"run.vars", unsafe.Offsetof(r.vars), 8},
		{"run.nr", unsafe.Offsetof(r.nr), 16},
		{"run.arg", unsafe.Offsetof(r.arg), 24},
		{"run.allMask", unsafe.Offsetof(r.allMask), 64},
		{"run.oldMask", unsafe.Offsetof(r.oldMask), 72},
		{"run.pause", unsafe.Offsetof(r.pause), 80},
		{"run.errFD", unsafe.Offsetof(r.errFD), 96},
		{"run.pid", unsafe.Offsetof(r.pid), 104},
		{"run.failed", unsafe.Offsetof(r.failed), 112},
		{"run.errno", unsafe.Offsetof(r.errno), 120},
		{"run.pidfd", unsafe.Offsetof(r.pidfd), 128},
		{"run.tid", unsafe.Offsetof(r.tid), 132},
		{"run.runs", unsafe.Offsetof(r.runs), 136},
		{"run.shares", unsafe.Offsetof(r.shares), 140},
		{"run.clone", unsafe.Offsetof(r.clone), 144},
		{"run.stack", unsafe.Offsetof(r.stack), 232},
	} {
		if row.got != row.want {
			t.Errorf("%s is %d, want %d", row.name, row.got, row.want)
		}
	}
}

func TestChildStackIsAlignedAndInside(t *testing.T) {
	var b Builder
	r := NewRun(b.Build())
	defer r.Free()
	first, end := addr(&r.stack[0]), addr(&r.stack[0])+uint64(len(r.stack))
	base := r.stackBase()
	if base%stackAlign != 0 || base < first || base+stackSize > end {
		t.Errorf("stack %#x to %#x, region %#x to %#x", base, base+stackSize, first, end)
	}
}

func TestSyscallTable(t *testing.T) {
	seen := map[int]string{}
	for s := Sys(1); s < numSys; s++ {
		if s.Name() == "" || s.Args() < 0 || s.Args() > 6 {
			t.Errorf("Sys %d: name %q, %d arguments", s, s.Name(), s.Args())
		}
		if was, ok := seen[s.Number()]; ok {
			t.Errorf("%s and %s have number %d", was, s.Name(), s.Number())
		}
		seen[s.Number()] = s.Name()
	}

	if Umask.Number() != unix.SYS_UMASK || Execve.Number() != unix.SYS_EXECVE {
		t.Error("numbers of another architecture")
	}
}
