//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Numbers for the assembly, by way of go_asm.h.
const (
	sysRtSigprocmask = unix.SYS_RT_SIGPROCMASK
	sysExitGroup     = unix.SYS_EXIT_GROUP
	sysNanosleep     = unix.SYS_NANOSLEEP
	sysWrite         = unix.SYS_WRITE
	sigBlock         = unix.SIG_BLOCK
	sigSetmask       = unix.SIG_SETMASK
	sigsetSize       = 8
	errnoFloor       = -4096        // results above it, unsigned, are errors
	RecordSize       = 2 * wordSize // of a failure record
	maskTries        = 1000         // of restoring the mask, should a filter refuse it for a time
)

// stackSize is the size of the region that a child's stack pointer points
// into, whose alignment is stackAlign. Nothing uses it as a stack.
const stackSize = 512

// run is one run of a program: what the assembly and the child read and write.
// It is in the heap and refers to itself and to the program by address, so
// whoever uses it keeps both alive.
type run struct {
	ops  uintptr    // first Op
	vars uintptr    // first variable
	nr   uintptr    // clone or clone3
	arg  [5]uintptr // its arguments

	allMask uint64 // what is blocked meanwhile: everything
	oldMask uint64 // what was
	pause   unix.Timespec
	errFD   int // the record is also written here; -1: nowhere

	pid    int     // result of clone: the child's pid, or an errno negated
	failed uintptr // record: the Op that failed, 0 for none
	errno  uintptr // record: why
	pidfd  int32   // stored by the kernel before the child runs; stale if clone fails
	tid    int32   // stored by the kernel once clone can't fail; 0 where there is no place for it
	runs   int32   // the same instead of tid, not 0 once the child runs; its id in its own namespace
	shares int32   // without CLONE_VFORK: 1, or with announced, until the kernel clears it, at execve or exit

	clone cloneArgs
	stack stack

	second second
}

// stack is where the stack pointer of a child points to, and what the child keeps there
// where it has too few registers.
type stack struct {
	region [stackSize + stackAlign]byte
	frame  frame
}

// top is a child's stack pointer.
func (s *stack) top() uintptr { return s.base() + stackSize }

func (s *stack) base() uintptr {
	return (addr(&s.region[0]) + stackAlign - 1) &^ (stackAlign - 1)
}

// The record is written as one piece.
func _() {
	var x [1]struct{}
	_ = x[unsafe.Offsetof(run{}.errno)-unsafe.Offsetof(run{}.failed)-wordSize]
	_ = x[unsafe.Sizeof(run{}.failed)+unsafe.Sizeof(run{}.errno)-RecordSize]
}

// cloneArgs is struct clone_args, CLONE_ARGS_SIZE_VER2; linux/sched.h.
type cloneArgs struct {
	flags      uint64
	pidFD      uint64
	childTID   uint64
	parentTID  uint64
	exitSignal uint64
	stack      uint64
	stackSize  uint64
	tls        uint64
	setTID     uint64
	setTIDSize uint64
	cgroup     uint64
}

func _() {
	var x [1]struct{}
	_ = x[unsafe.Offsetof(cloneArgs{}.flags)-0]
	_ = x[unsafe.Offsetof(cloneArgs{}.pidFD)-8]
	_ = x[unsafe.Offsetof(cloneArgs{}.childTID)-16]
	_ = x[unsafe.Offsetof(cloneArgs{}.parentTID)-24]
	_ = x[unsafe.Offsetof(cloneArgs{}.exitSignal)-32]
	_ = x[unsafe.Offsetof(cloneArgs{}.stack)-40]
	_ = x[unsafe.Offsetof(cloneArgs{}.stackSize)-48]
	_ = x[unsafe.Offsetof(cloneArgs{}.tls)-56]
	_ = x[unsafe.Offsetof(cloneArgs{}.setTID)-64]
	_ = x[unsafe.Offsetof(cloneArgs{}.setTIDSize)-72]
	_ = x[unsafe.Offsetof(cloneArgs{}.cgroup)-80]
	_ = x[unsafe.Sizeof(cloneArgs{})-88]
}

// child is implemented in assembly. It blocks all signals, clones, performs the
// operations in the child, and in the parent restores the mask and stores the
// result of clone: with CLONE_VFORK once the child has exec'd or died.
//
//go:noescape
func child(r *run)

// inSyscall runs child in the syscall state. Between the two runtime calls
// there must be no Go code that could be instrumented or preempted or that
// grows the stack: child is assembly and needs none.
//
//go:nosplit
//go:norace
func inSyscall(r *run) {
	entersyscall()
	child(r)
	exitsyscall()
}

// Run is one use of a Program. Get one with NewRun, give it back with Free.
type Run struct {
	run
	prog    *Program
	storage []uint64                            // the variables
	args    [6]uintptr                          // by Here: those of the system call
	limits  [unix.RLIMIT_RTTIME + 1]unix.Rlimit // by Here: what they were
	limit   unix.Rlimit
	ended   [2]uint32 // by Here: one more than the number of the operation that has failed, and why; else 0

	relayMu sync.Mutex // held by who reaps the relay, or uses its number
}

var runs = sync.Pool{New: func() any { return new(Run) }}

// NewRun prepares a run of p with all variables zero.
func NewRun(p *Program) *Run {
	r := runs.Get().(*Run)
	r.prog = p
	if cap(r.storage) < p.nvars {
		r.storage = make([]uint64, p.nvars)
	}
	r.storage = r.storage[:p.nvars]
	clear(r.storage)
	words := native(r.storage)
	for _, a := range p.addrs {
		switch {
		case a.target != 0:
			words[a.word()] = addr(&r.storage[a.target]) + uintptr(a.offset)
		case a.place == placeNone:
			r.storage[a.v] = uint64(int64(a.offset))
		default:
			words[a.word()] = r.place(a.place) + uintptr(a.offset)
		}
	}
	r.ops = addr(unsafe.SliceData(p.ops))
	r.vars = addr(unsafe.SliceData(r.storage))
	r.allMask = ^uint64(0)
	r.pause = unix.NsecToTimespec(retryPause)
	r.errFD = -1
	r.failed, r.errno, r.ended = 0, 0, [2]uint32{}
	atomic.StoreInt32(&r.pidfd, -1)
	atomic.StoreInt32(&r.tid, 0)
	atomic.StoreInt32(&r.runs, 0)
	atomic.StoreInt32(&r.shares, 0)
	r.second.reset()
	r.stack.frame.reset(&r.run, nil)
	return r
}

// place is the address of a place.
func (r *Run) place(p place) uintptr {
	switch p {
	case placeArgs:
		return addr(&r.second.args)
	case placeStack:
		return r.second.stack.top()
	case placeTID:
		return addr(&r.tid)
	case placeWord:
		return addr(&r.shares)
	case placeState:
		return addr(&r.second.state)
	case placeArena:
		return addr(unsafe.SliceData(r.prog.arena))
	}
	return addr(&r.oldMask)
}

// retryPause is the time between two tries of an operation, in nanoseconds.
const retryPause = 100_000

// Free gives r back. Nothing may use it afterwards.
func (r *Run) Free() {
	r.prog = nil
	runs.Put(r)
}

// Set gives a variable its value.
func (r *Run) Set(v Var, x uint64) { r.storage[v] = x }

// SetShared is Set while the child runs.
func (r *Run) SetShared(v Var, x uint64) { atomic.StoreUint64(&r.storage[v], x) }

// GetShared is Get while the child runs.
func (r *Run) GetShared(v Var) uint64 { return atomic.LoadUint64(&r.storage[v]) }

// Get reads a variable, as the child left it.
func (r *Run) Get(v Var) uint64 { return r.storage[v] }

// Errno is the error that a variable is the result of, 0 for none.
func Errno(result uint64) syscall.Errno {
	if floor := int64(errnoFloor); result > uint64(floor) {
		return syscall.Errno(-result)
	}
	return 0
}

// Timespec reads a struct timespec that a call has stored in a variable and the next.
func (r *Run) Timespec(v Var) time.Duration {
	return time.Duration((*unix.Timespec)(unsafe.Pointer(&r.storage[v])).Nano())
}

// Pidfd is the child's pidfd, and -1 where none was asked for.
func (r *Run) Pidfd() int { return int(atomic.LoadInt32(&r.pidfd)) }

// SetPidfd says where the pidfd is now.
func (r *Run) SetPidfd(fd int) { atomic.StoreInt32(&r.pidfd, int32(fd)) }

// Kill kills a child that is on its way to execve. It is for other goroutines
// while Start is waiting, so that nobody has reaped the child yet. It returns
// false when there is no child so far.
func (r *Run) Kill() bool {
	tid := atomic.LoadInt32(&r.tid)
	if tid == 0 && atomic.LoadInt32(&r.runs) == 0 {
		return false // what is in pidfd may never be the child's
	}
	err := error(unix.ENOSYS)
	if fd := atomic.LoadInt32(&r.pidfd); fd >= 0 {
		err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, 0)
	}
	if tid > 0 && (err == unix.ENOSYS || err == unix.EPERM) { // EPERM: a filter
		_ = unix.Kill(int(tid), unix.SIGKILL)
	}
	return true
}

// Clone says how to make the child.
type Clone struct {
	Flags  uint64 // CLONE_*; CLONE_PIDFD may be among them
	Legacy bool   // clone(2) rather than clone3(2)
	Cgroup int    // with CLONE_INTO_CGROUP
	ErrFD  int    // where the child writes its failure record as well; -1: nowhere
	Silent bool   // no SIGCHLD when it ends; it is to be waited for with __WALL
}

// exitSignal is what this process gets when the child ends.
func (c Clone) exitSignal() uint64 {
	if c.Silent {
		return 0
	}
	return uint64(unix.SIGCHLD)
}

// waits reports whether the parent's thread sleeps in clone.
func (c Clone) waits() bool { return c.Flags&unix.CLONE_VFORK != 0 }

// Start makes the child. With CLONE_VFORK it returns when the child has exec'd or
// died; without, it returns at once, and where the memory is shared Await must
// have returned true before r may be used for anything else. A failure to make the
// child is an errno; whether the child itself failed is for Failure to say.
//
// The child of a program with a relay is the second child; see [Builder.Relay]. The
// pid is 0 where the first child has ended without making it.
func (r *Run) Start(c Clone) (pid int, err syscall.Errno) {
	r.errFD = c.ErrFD
	if r.prog.relay.there {
		return r.startRelayed(c)
	}
	if c.Flags&unix.CLONE_VM != 0 && !c.waits() {
		c.Flags |= unix.CLONE_CHILD_CLEARTID
		atomic.StoreInt32(&r.shares, 1)
	}
	if c.Legacy {
		r.legacy(c)
	} else {
		r.clone3(c)
	}
	inSyscall(&r.run)
	runtime.KeepAlive(r.prog)
	if r.pid < 0 {
		atomic.StoreInt32(&r.tid, 0)
		atomic.StoreInt32(&r.pidfd, -1)
		atomic.StoreInt32(&r.shares, 0)
		return 0, syscall.Errno(-r.pid)
	}
	atomic.StoreInt32(&r.runs, 1)
	return r.pid, 0
}

func (r *Run) clone3(c Clone) {
	r.clone = cloneArgs{
		flags:      c.Flags | unix.CLONE_PARENT_SETTID,
		pidFD:      uint64(addr(&r.pidfd)),
		childTID:   uint64(addr(&r.shares)),
		parentTID:  uint64(addr(&r.tid)),
		exitSignal: c.exitSignal(),
		stack:      uint64(r.stack.base()),
		stackSize:  stackSize,
		cgroup:     uint64(c.Cgroup),
	}
	r.nr = unix.SYS_CLONE3
	r.arg = [5]uintptr{addr(&r.clone), unsafe.Sizeof(r.clone)}
}

// legacy prepares clone(2), which has one place for either the pidfd or the pid.
// That of what the child stores when it first runs, or the kernel clears when it no
// longer shares memory, is the fourth argument on amd64, loong64 and s390x, else the fifth;
// the other of the two is unused.
func (r *Run) legacy(c Clone) {
	id, word := &r.pidfd, &r.shares
	if c.Flags&unix.CLONE_PIDFD == 0 {
		c.Flags |= unix.CLONE_PARENT_SETTID
		id = &r.tid
	} else if c.waits() {
		c.Flags |= unix.CLONE_CHILD_SETTID
		word = &r.runs
	}
	r.nr = unix.SYS_CLONE
	r.arg = cloneOrder(uintptr(c.Flags|c.exitSignal()), r.stack.top(), addr(id), addr(word), addr(word))
}

// Await waits until a child that was made without CLONE_VFORK does not share
// memory any more: the kernel then clears shares, and wakes who waits for that. It
// gives up after about the time limit, when the child announces something, or when
// Interrupt is called, and returns false. Signals interrupt it, and the goroutine's P is free for others.
func (r *Run) Await(limit time.Duration) bool {
	shares := atomic.LoadInt32(&r.shares)
	if shares == 0 {
		return true
	}
	waitOn(&r.shares, shares, limit)
	runtime.KeepAlive(r)
	return atomic.LoadInt32(&r.shares) == 0
}

// Announced reports whether the child has announced something; see [Builder.Announce].
func (r *Run) Announced() bool { return atomic.LoadInt32(&r.shares)&announced != 0 }

// waitOn waits while a word has a value, for a time.
func waitOn(word *int32, value int32, limit time.Duration) {
	ts := unix.NsecToTimespec(int64(limit))
	_, _, _ = syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(word)), futexWait, uintptr(value), uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// Interrupt makes Await and AwaitRelay return.
func (r *Run) Interrupt() {
	wake(unsafe.Pointer(&r.shares))
	wake(unsafe.Pointer(&r.second.state))
}

// wakeChild sets a variable that is 0, and wakes the child that waits while its low half is.
func (r *Run) wakeChild(v Var) {
	r.SetShared(v, 1)
	wake(unsafe.Add(unsafe.Pointer(&r.storage[v]), lowHalf()))
}

// wake wakes who waits on a word.
func wake(word unsafe.Pointer) {
	_, _, _ = syscall.Syscall6(unix.SYS_FUTEX, uintptr(word), futexWake, 1, 0, 0, 0)
}

// Operations of futex(2). The kernel's own wake is not of the private kind.
const (
	futexWait = 0
	futexWake = 1
)

// Failure returns the step at which the child failed, and why; ok is false when
// it did not fail.
func (r *Run) Failure() (s Step, err syscall.Errno, ok bool) {
	if r.failed == 0 {
		return Step{}, 0, false
	}
	i := (r.failed - r.ops) / unsafe.Sizeof(Op{})
	if step := r.prog.ops[i].step; step >= 0 {
		s = r.prog.steps[step]
	}
	return s, syscall.Errno(r.errno), true
}

// IsRecord reports whether 64 bits are the first ones of a failure record, which is where in
// memory the operation is. No result of a system call is. With words of 32 bits they are the
// whole record: the upper half is the errno, and of a result it is 0, or as far from it as can be.
func (r *Run) IsRecord(first uint64) bool {
	const errnos = -1 - errnoFloor
	if high := first >> 32; wordSize == 4 && (high == 0 || high > errnos) {
		return false
	}
	return uintptr(first)-r.ops < uintptr(len(r.prog.ops))*unsafe.Sizeof(Op{})
}

// SetRecord stores a failure record that the child wrote to Clone.ErrFD.
func (r *Run) SetRecord(b []byte) bool {
	if len(b) != RecordSize {
		return false
	}
	r.failed = *(*uintptr)(unsafe.Pointer(&b[0]))
	r.errno = *(*uintptr)(unsafe.Pointer(&b[wordSize]))
	return true
}

func addr[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
