//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Exit is how a child ended.
type Exit struct {
	PID    int
	Status syscall.WaitStatus
	Usage  syscall.Rusage
}

// siginfo is siginfo_t as waitid(2) fills it in: si_code, si_pid and si_status.
// The kernel's is 128 bytes on every architecture.
type siginfo struct {
	signo  int32
	errno  int32
	code   int32
	_      [wordSize/4 - 1]int32 // what follows may have pointers
	pid    int32
	uid    uint32
	status int32
	_      [108 - wordSize]byte
}

func _() {
	var x [1]struct{}
	_ = x[unsafe.Offsetof(siginfo{}.code)-8]
	_ = x[unsafe.Offsetof(siginfo{}.pid)-8-wordSize]
	_ = x[unsafe.Offsetof(siginfo{}.uid)-12-wordSize]
	_ = x[unsafe.Offsetof(siginfo{}.status)-16-wordSize]
	_ = x[unsafe.Sizeof(siginfo{})-128]
}

// si_code of SIGCHLD; siginfo.h.
const (
	cldExited = 1
	cldKilled = 2
	cldDumped = 3

	cldTrapped   = 4
	cldStopped   = 5
	cldContinued = 6
)

// Waitid waits for a child, by pidfd (unix.P_PIDFD) or pid (unix.P_PID). With
// WNOHANG and nothing to report the PID of Exit is 0. So it is for the stop of a
// child that is traced, which the kernel reports also where only WEXITED is asked
// for. Where the call may block the goroutine's P is free for others.
func Waitid(idType, id, options int, x *Exit) syscall.Errno {
	var info siginfo
	for {
		var e syscall.Errno
		if options&unix.WNOHANG != 0 {
			_, _, e = syscall.RawSyscall6(unix.SYS_WAITID, uintptr(idType), uintptr(id),
				uintptr(unsafe.Pointer(&info)), uintptr(options), uintptr(unsafe.Pointer(&x.Usage)), 0)
		} else {
			_, _, e = syscall.Syscall6(unix.SYS_WAITID, uintptr(idType), uintptr(id),
				uintptr(unsafe.Pointer(&info)), uintptr(options), uintptr(unsafe.Pointer(&x.Usage)), 0)
		}
		if e == unix.EINTR {
			continue
		}
		x.PID, x.Status = int(info.pid), waitStatus(info.code, info.status)
		if info.code == cldTrapped {
			x.PID = 0
		}
		return e
	}
}

// waitStatus makes the status that wait4(2) would have given.
func waitStatus(code, status int32) syscall.WaitStatus {
	switch code {
	case cldExited:
		return syscall.WaitStatus(status&0xff) << 8
	case cldDumped:
		return syscall.WaitStatus(status&0x7f) | 0x80
	case cldKilled:
		return syscall.WaitStatus(status & 0x7f)
	case cldStopped:
		return syscall.WaitStatus(status&0xff)<<8 | 0x7f
	case cldContinued:
		return 0xffff
	}
	return 0
}

// Wait4 waits for a child by its pid. With WNOHANG and nothing to report the PID
// of Exit is 0, and so it is for the stop of a child that is traced.
func Wait4(pid, options int, x *Exit) syscall.Errno {
	var status uint32
	for {
		n, _, e := syscall.Syscall6(unix.SYS_WAIT4, uintptr(pid), uintptr(unsafe.Pointer(&status)),
			uintptr(options), uintptr(unsafe.Pointer(&x.Usage)), 0, 0)
		if e == unix.EINTR {
			continue
		}
		x.PID, x.Status = int(int32(n)), syscall.WaitStatus(status)
		if e != 0 || x.Status.Stopped() {
			x.PID = 0
		}
		return e
	}
}

// PidfdExit returns the status of a process that was reaped, whoever has done it.
// The kernel publishes the status a moment after others find the process gone, so
// PidfdExit waits for that, but not longer than limit. ok is false where the
// process was not reaped or the kernel doesn't tell; Linux 6.15. See
// PIDFD_GET_INFO(2const).
func PidfdExit(pidfd int, limit time.Duration) (status syscall.WaitStatus, ok bool) {
	for begin := time.Now(); ; time.Sleep(publishPause) {
		gone := unix.PidfdSendSignal(pidfd, 0, nil, 0) == unix.ESRCH // nothing is published after that
		status, ok = pidfdExit(pidfd)
		if ok || gone || time.Since(begin) >= limit {
			return status, ok
		}
	}
}

// publishPause is the time between two looks for a status.
const publishPause = 20 * time.Microsecond

func pidfdExit(pidfd int) (status syscall.WaitStatus, ok bool) {
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&unix.PIDFD_INFO_EXIT == 0 {
		return 0, false
	}
	return syscall.WaitStatus(info.Exit_code), true
}

// Bits of pidfd_info of Linux 6.19 and 7.1.
const (
	pidfdInfoCoredumpSignal = 1 << 6
	pidfdInfoCoredumpCode   = 1 << 7
)

// PidfdCrash returns the si_code of the signal at which a process has dumped core, or
// would have been allowed to.
func PidfdCrash(pidfd int) (code int32, ok bool) {
	const both = pidfdInfoCoredumpSignal | pidfdInfoCoredumpCode
	info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_EXIT | unix.PIDFD_INFO_COREDUMP | both}
	if err := unix.IoctlPidfdInfo(pidfd, &info); err != nil || info.Mask&both != both {
		return 0, false
	}
	return int32(info.Coredump_code), true
}

// wanted is how long sched_yield may take before it says that others want the
// processor, too.
const wanted = 50 * time.Microsecond

// noYield is set where sched_yield must not be called.
var noYield atomic.Bool

// ForbidYield makes Spin give up at once: the call would kill.
func ForbidYield() { noYield.Store(true) }

// Spin calls done until it returns true, and lets other threads have the processor
// in between, and other goroutines the place in Go's scheduler. It gives up after
// about the time limit, and earlier where the processor has better things to do.
func Spin(limit time.Duration, done func() bool) {
	begin := time.Now()
	for since := time.Duration(0); since < limit && !noYield.Load(); {
		_, _, _ = syscall.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
		if done() {
			return
		}
		last := since
		if since = time.Since(begin); since-last > wanted {
			return
		}
	}
}

// roomTime is how long, in seconds, the children of RoomFor sleep at most.
const roomTime = 60

// RoomFor reports whether as many threads or processes more can be made now: it makes
// children that sleep, and wakes them. The errno is that of the first that can't be. They
// share memory and descriptors with this process, and must not outlive it.
func RoomFor(n int) syscall.Errno {
	var b Builder
	b.Step(Step{Name: "sleep", Index: -1})
	parent, awake, zero := b.Var(), b.Var(), Int(0)
	b.Call(0, Prctl, Int(unix.PR_SET_PDEATHSIG), Int(int64(unix.SIGKILL)), zero, zero, zero).Ignore()
	b.Call(0, Getppid).Keep(parent)
	b.Call(0, ExitGroup, zero).SkipEqual(parent, uint64(os.Getpid()))
	b.Call(0, Futex, b.AddrOfInt(awake), Int(futexWait), zero, b.Struct(Int(roomTime), Int(0))).Ignore()
	b.Call(0, ExitGroup, zero)
	p := b.Build()
	var failed syscall.Errno
	for range n {
		r := NewRun(p)
		pid, errno := r.Start(Clone{Flags: unix.CLONE_VM | unix.CLONE_FILES, Legacy: true, ErrFD: -1, Silent: true})
		if errno != 0 {
			failed = errno
			r.Free()
			break
		}
		defer func() {
			r.wakeChild(awake)
			for !r.Await(time.Second) {
			}
			var x Exit
			if errno := Waitid(unix.P_PID, pid, unix.WEXITED|unix.WALL, &x); errno != 0 && errno != unix.ECHILD {
				Wait4(pid, unix.WALL, &x)
			}
			r.Free()
		}()
	}
	return failed
}
