//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Here performs the program on the calling thread, which is to become another program,
// and so the whole process. If the program gets to execve, Here does not return.
//
// After a failure the thread may have any credentials and namespaces, and a filter that
// kills it for a call. So it stays where it is until the process ends, and AwaitHere of
// another goroutine returns. Nothing may stop the world from then on, so PrepareHere turns
// the collector off.
//
// It returns an error where the signals of the thread can't be blocked, and nothing was
// done.
//
// This is Go and not the assembly of [Run.Start]: the contract of the child allows no way
// back to the caller, and here the contract is not needed, because nobody waits for the
// memory. A control bit must be implemented in both.
func (r *Run) Here() error {
	_, _, errno := syscall.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_BLOCK,
		uintptr(unsafe.Pointer(&r.allMask)), uintptr(unsafe.Pointer(&r.oldMask)), sigsetSize, 0, 0)
	if errno != 0 {
		return errno
	}
	r.here(r.prog.filters())
	return nil
}

// filters reports whether the program restricts the calls of its thread.
func (p *Program) filters() bool {
	for i := range p.info {
		if p.info[i].sys == Seccomp {
			return true
		}
	}
	return false
}

// here performs the program. The thread keeps its P, and so does that of AwaitHere: without
// another P the runtime makes no thread, which a limit of the program might be against. No
// code here may be instrumented or preempted or grow the stack.
//
//go:nosplit
//go:norace
func (r *Run) here(filtered bool) {
	r.ended[0], r.ended[1] = r.perform()
	//lint:ignore SA5002 a call might kill the process before it has said why it ends
	for filtered {
	}
	for {
		syscall.RawSyscall6(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&r.pause)), 0, 0, 0, 0, 0)
	}
}

// perform is what the assembly does; see the pseudo-code there. It returns what has
// failed and why, as ended has it.
//
//go:nosplit
//go:norace
func (r *Run) perform() (ended, why uint32) {
	for i := 0; ; i++ {
		op := &r.prog.ops[i]
		if op.flags&flagSkipEqual != 0 && r.storage[op.cond] == op.equal {
			continue
		}
		if op.flags&flagSweep != 0 {
			last := int64(r.value(op, equalVar, op.equal))
			for n := uint64(0); int64(r.value(op, 0, op.args[0])+n) <= last; n++ {
				_, _ = r.call(op, n)
			}
			continue
		}
		x, errno := r.call(op, 0)
		for n := op.retries; n > 0 && errno != 0 && errno == uintptr(op.again) && op.flags&flagIgnore == 0; n-- {
			syscall.RawSyscall6(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&r.pause)), 0, 0, 0, 0, 0)
			x, errno = r.call(op, 0)
		}
		switch {
		case errno == 0:
			if op.flags&flagKeep != 0 {
				r.storage[op.keep] = x
			}
			i += int(op.skip)
		case op.flags&flagIgnore == 0 && errno != uintptr(op.tolerate[0]) && errno != uintptr(op.tolerate[1]) && errno != uintptr(op.tolerate[2]):
			return uint32(i + 1), uint32(errno)
		case op.flags&flagKeepError != 0:
			r.storage[op.keep] = -uint64(errno)
		}
	}
}

// call makes the system call of an operation, with plus added to its first argument. The
// arguments are not on the stack, of which there is little.
//
//go:nosplit
//go:norace
func (r *Run) call(op *Op, plus uint64) (x uint64, errno uintptr) {
	for i := range op.args {
		r.args[i] = uintptr(r.value(op, uint(i), op.args[i]))
	}
	y, _, e := syscall.RawSyscall6(uintptr(op.nr), r.args[0]+uintptr(plus), r.args[1], r.args[2], r.args[3], r.args[4], r.args[5])
	return uint64(y), uintptr(e)
}

// value is an argument: itself, or where its bit is set that of a variable.
//
//go:nosplit
//go:norace
func (r *Run) value(op *Op, bit uint, x uint64) uint64 {
	if op.varArgs&(1<<bit) == 0 {
		return x
	}
	return r.storage[uint32(x)] + uint64(int64(x)>>32)
}

// PrepareHere has the runtime make no thread from now on, with the callers of Here and of
// AwaitHere running. It has memory to spare, for what AwaitHere's caller has to say where
// no more is to be had.
func (r *Run) PrepareHere() {
	for i := range r.limits {
		_ = unix.Getrlimit(i, &r.limits[i])
	}
	spare := make([][]byte, 64)
	for i := range spare {
		spare[i] = make([]byte, 16<<10)
	}
	runtime.KeepAlive(spare)
	runtime.GC()
	debug.SetGCPercent(-1)
	runtime.GOMAXPROCS(2)
}

// AwaitHere waits for a run by Here to fail. The limits go back then to what they were, as
// far as they may: to say why takes files and memory.
func (r *Run) AwaitHere() {
	for !r.failedHere() {
		syscall.RawSyscall6(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&awaitPause)), 0, 0, 0, 0, 0)
	}
	for i := range r.limits {
		l := &r.limits[i]
		if unix.Prlimit(0, i, l, nil) != nil {
			_ = unix.Getrlimit(i, &r.limit)
			r.limit.Cur = min(l.Cur, r.limit.Max)
			_ = unix.Prlimit(0, i, &r.limit, nil)
		}
	}
}

var awaitPause = unix.Timespec{Nsec: 1_000_000}

// failedHere reports whether a run by Here has failed. Failure says then how.
func (r *Run) failedHere() bool {
	ended, why := atomic.LoadUint32(&r.ended[0]), atomic.LoadUint32(&r.ended[1])
	if ended == 0 || why == 0 {
		return false
	}
	r.failed = r.ops + uintptr(ended-1)*unsafe.Sizeof(Op{})
	r.errno = uintptr(why)
	return true
}
