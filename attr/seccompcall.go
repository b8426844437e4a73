package attr

import (
	"errors"
	"os"
	"syscall"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// SeccompCall is a system call that waits for an answer. Answer it once, by Continue, Deny,
// Return or ReturnFD, from any goroutine. If nobody answers, the caller waits until it is
// killed, or the listener closed.
//
// The error of a method matches [syscall.ENOENT] if the call does not wait any more, because
// the caller has died or a signal has interrupted the call. A call that was interrupted may
// come once more. It matches [syscall.EINPROGRESS] if the call has its answer already, and
// os.ErrClosed if the listener is closed.
type SeccompCall struct {
	// TID is the id of the thread that makes the call, as this process sees it, and 0 if
	// it does not. The number stays the thread's for as long as Waits returns nil.
	TID int
	// Number is the number of the system call, and Arch an AUDIT_ARCH_* that says in
	// which table.
	Number int
	Arch   uint32
	// IP is the address of the instruction.
	IP uint64
	// Args are the arguments. Only those that the call has have a meaning.
	Args [6]uint64

	id   uint64
	file *os.File
}

func newCall(f *os.File, n *raw.Notification) *SeccompCall {
	return &SeccompCall{TID: int(n.PID), Number: int(n.NR), Arch: n.Arch, IP: n.IP, Args: n.Args, id: n.ID, file: f}
}

// maxErrno is the largest that a system call can return.
const maxErrno = 4095

const seccompContinue = 1 // SECCOMP_USER_NOTIF_FLAG_CONTINUE

// Continue lets the kernel make the call. Never use it to enforce a policy: the program can
// change the memory that an argument points to after you have looked at it, and what a
// descriptor or a path means. It is for calls whose outcome is of no concern, or that the
// kernel refuses anyway. Linux 5.5.
func (c *SeccompCall) Continue() error {
	return c.answer(raw.Answer{Flags: seccompContinue}, "SECCOMP_USER_NOTIF_FLAG_CONTINUE", "5.5")
}

// Deny makes the call fail, with an errno from 1 to 4095.
func (c *SeccompCall) Deny(errno syscall.Errno) error {
	if errno == 0 || errno > maxErrno {
		return plan.Invalid("not from 1 to %d: %d", maxErrno, int(errno))
	}
	return c.answer(raw.Answer{Errno: -int32(errno)}, "", "")
}

// Return makes the call return a value, without being made.
func (c *SeccompCall) Return(value int64) error {
	return c.answer(raw.Answer{Value: value}, "", "")
}

// AddFD gives the caller a descriptor of an open file, and returns its number there. The call
// still waits. closeOnExec is about the caller's descriptor. If the caller is gone before
// it has its answer, the descriptor is in the process all the same. Linux 5.9.
func (c *SeccompCall) AddFD(f *os.File, closeOnExec bool) (number int, err error) {
	return c.addFD(f, closeOnExec, false)
}

// ReturnFD gives the caller a descriptor of an open file and makes the call return its number,
// both or neither. Linux 5.14.
func (c *SeccompCall) ReturnFD(f *os.File, closeOnExec bool) (number int, err error) {
	return c.addFD(f, closeOnExec, true)
}

// Waits returns nil if the call still waits. After you have opened something by TID, such as
// a file in /proc, it tells whether what you have opened is the caller's.
func (c *SeccompCall) Waits() error {
	return c.with(func(fd int) error { return errorOf(raw.NotifyWaits(fd, c.id)) })
}

// ReadMemory reads the caller's memory from an address on, and returns how much there was. It
// is the memory of a call that still waits. The program may change it at any time.
// Privilege: permission to trace the caller. See process_vm_readv(2).
func (c *SeccompCall) ReadMemory(address uint64, buf []byte) (n int, err error) {
	err = c.with(func(fd int) error {
		var rerr error
		n, rerr = raw.ReadMemoryOf(c.TID, address, buf)
		if errno := raw.NotifyWaits(fd, c.id); errno != 0 {
			n = 0
			return errorOf(errno)
		}
		return os.NewSyscallError("process_vm_readv", rerr)
	})
	return n, err
}

// with calls f with the listener's descriptor.
func (c *SeccompCall) with(f func(fd int) error) error { return highfd.WithNumber(c.file, f) }

// answer sends an answer. EINVAL means that the kernel lacks what it needs.
func (c *SeccompCall) answer(a raw.Answer, needs, since string) error {
	a.ID = c.id
	return c.with(func(fd int) error {
		errno := raw.NotifyAnswer(fd, a)
		if errno == syscall.EINVAL && needs != "" {
			return &UnsupportedError{What: needs, Since: since, Err: errno}
		}
		return errorOf(errno)
	})
}

func (c *SeccompCall) addFD(f *os.File, closeOnExec, send bool) (number int, err error) {
	err = c.with(func(fd int) error {
		ferr := highfd.WithNumber(f, func(src int) error {
			n, errno := raw.NotifyAddFD(fd, c.id, src, closeOnExec, send)
			switch {
			case errno == syscall.EINVAL && send:
				return &UnsupportedError{What: "SECCOMP_ADDFD_FLAG_SEND", Since: "5.14", Err: errno}
			case errno == syscall.EINVAL || errno == syscall.ENOTTY:
				return &UnsupportedError{What: "SECCOMP_IOCTL_NOTIF_ADDFD", Since: "5.9", Err: errno}
			case errno == 0:
				number = n
			}
			return errorOf(errno)
		})
		if errors.Is(ferr, os.ErrClosed) {
			return &os.PathError{Op: "add", Path: f.Name(), Err: os.ErrClosed}
		}
		return ferr
	})
	return number, err
}

func errorOf(errno syscall.Errno) error {
	if errno == 0 {
		return nil
	}
	return os.NewSyscallError("ioctl", errno)
}
