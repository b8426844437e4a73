//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"runtime"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The numbers are those of the kernel's headers: struct clone_args of
// linux/sched.h, siginfo_t of asm-generic/siginfo.h.
func TestKernelLayouts(t *testing.T) {
	var c cloneArgs
	var s siginfo
	var a sigaction
	restorer := uintptr(wordSize)
	if slices.Contains([]string{"loong64", "riscv64"}, runtime.GOARCH) {
		restorer = 0
	}
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
		{"siginfo.si_pid", unsafe.Offsetof(s.pid), 8 + wordSize},
		{"siginfo.si_uid", unsafe.Offsetof(s.uid), 12 + wordSize},
		{"siginfo.si_status", unsafe.Offsetof(s.status), 16 + wordSize},
		{"sizeof siginfo", unsafe.Sizeof(s), 128},
		{"sigaction.handler", unsafe.Offsetof(a.handler), 0},
		{"sigaction.flags", unsafe.Offsetof(a.flags), wordSize},
		{"sigaction.mask", unsafe.Offsetof(a.mask), 2*wordSize + restorer},
		{"sizeof sigaction", unsafe.Sizeof(a), 2*wordSize + restorer + 8},
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
	const word = wordSize
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
		{"run.vars", unsafe.Offsetof(r.vars), word},
		{"run.nr", unsafe.Offsetof(r.nr), 2 * word},
		{"run.arg", unsafe.Offsetof(r.arg), 3 * word},
		{"run.allMask", unsafe.Offsetof(r.allMask), 8 * word},
		{"run.oldMask", unsafe.Offsetof(r.oldMask), 8*word + 8},
		{"run.pause", unsafe.Offsetof(r.pause), 8*word + 16},
		{"run.errFD", unsafe.Offsetof(r.errFD), 10*word + 16},
		{"run.pid", unsafe.Offsetof(r.pid), 11*word + 16},
		{"run.failed", unsafe.Offsetof(r.failed), 12*word + 16},
		{"run.errno", unsafe.Offsetof(r.errno), 13*word + 16},
		{"run.pidfd", unsafe.Offsetof(r.pidfd), 14*word + 16},
		{"run.tid", unsafe.Offsetof(r.tid), 14*word + 20},
		{"run.runs", unsafe.Offsetof(r.runs), 14*word + 24},
		{"run.shares", unsafe.Offsetof(r.shares), 14*word + 28},
		{"run.clone", unsafe.Offsetof(r.clone), 14*word + 32},
		{"run.stack", unsafe.Offsetof(r.stack), 14*word + 120},
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
	for _, s := range []*stack{&r.stack, &r.second.stack} {
		first := addr(&s.region[0])
		end := first + uintptr(len(s.region))
		base, top := s.base(), s.top()
		if base%stackAlign != 0 || base < first || top > end || top != base+stackSize {
			t.Errorf("stack %#x to %#x, region %#x to %#x", base, top, first, end)
		}
		if runtime.GOARCH == "386" && base != first {
			t.Errorf("the frame is not where the child looks for it: stack at %#x, region at %#x", base, first)
		}
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
