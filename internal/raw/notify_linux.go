package raw

import (
	"strconv"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// addFD is struct seccomp_notif_addfd.
type addFD struct {
	id           uint64
	flags, src   uint32
	number, mode uint32
}

// The kernel tells its versions of the structures by their sizes.
func _() {
	var x [1]struct{}
	_ = x[unsafe.Sizeof(Notification{})-80]
	_ = x[unsafe.Sizeof(Answer{})-24]
	_ = x[unsafe.Sizeof(addFD{})-24]
}

// notifIDValidOld is SECCOMP_IOCTL_NOTIF_ID_VALID before Linux 5.9. It had the bits for the other
// direction, which are 1<<30 and 1<<31 on each architecture.
const notifIDValidOld = unix.SECCOMP_IOCTL_NOTIF_ID_VALID ^ 0xc0000000

// NotifyReady waits for a time until a call waits at a listener. over is true if there is
// none and no process has the filter any more; Linux 5.9.
func NotifyReady(fd int, limit time.Duration) (ready, over bool) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	if n, err := unix.Poll(fds, int(limit.Milliseconds())); err != nil || n == 0 {
		return false, false
	}
	return fds[0].Revents&unix.POLLIN != 0, fds[0].Revents&unix.POLLIN == 0 && fds[0].Revents&unix.POLLHUP != 0
}

// NotifyReceive is SECCOMP_IOCTL_NOTIF_RECV. It blocks, unless NotifyReady has said that a
// call waits and nobody else has received it. The error is ENOENT if the call does not wait
// any more.
func NotifyReceive(fd int, n *Notification) syscall.Errno {
	*n = Notification{}
	return notifyIoctl(fd, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(n))
}

// NotifyAnswer is SECCOMP_IOCTL_NOTIF_SEND.
func NotifyAnswer(fd int, a Answer) syscall.Errno {
	return notifyIoctl(fd, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&a))
}

// NotifyWaits reports whether a call still waits: SECCOMP_IOCTL_NOTIF_ID_VALID.
func NotifyWaits(fd int, id uint64) syscall.Errno {
	errno := notifyIoctl(fd, unix.SECCOMP_IOCTL_NOTIF_ID_VALID, unsafe.Pointer(&id))
	if errno == unix.EINVAL {
		errno = notifyIoctl(fd, notifIDValidOld, unsafe.Pointer(&id))
	}
	return errno
}

// NotifyAddFD is SECCOMP_IOCTL_NOTIF_ADDFD: it gives the caller a descriptor, and with send
// answers the call with its number.
func NotifyAddFD(fd int, id uint64, src int, closeOnExec, send bool) (int, syscall.Errno) {
	a := addFD{id: id, src: uint32(src)}
	if closeOnExec {
		a.mode = unix.O_CLOEXEC
	}
	if send {
		a.flags = unix.SECCOMP_ADDFD_FLAG_SEND
	}
	for {
		n, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SECCOMP_IOCTL_NOTIF_ADDFD, uintptr(unsafe.Pointer(&a)))
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}

func notifyIoctl(fd int, request uintptr, arg unsafe.Pointer) syscall.Errno {
	for {
		_, _, errno := syscall.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno != unix.EINTR {
			return errno
		}
	}
}

// ReadMemoryOf reads memory of another process: process_vm_readv. That of a program of 64 bits
// is beyond what this call can name for one of 32, so there it is by a file.
func ReadMemoryOf(pid int, address uint64, buf []byte) (int, error) {
	if len(buf) == 0 {
		return 0, nil
	}
	if end := address + uint64(len(buf)); wordSize == 4 && (end >= 1<<32 || end < address) {
		return readMemoryFile(pid, address, buf)
	}
	local := []unix.Iovec{{Base: &buf[0]}}
	local[0].SetLen(len(buf))
	n, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: uintptr(address), Len: len(buf)}}, 0)
	return max(n, 0), err
}

func readMemoryFile(pid int, address uint64, buf []byte) (int, error) {
	fd, err := openQuickly("/proc/" + strconv.Itoa(pid) + "/mem")
	if err == unix.ENOENT {
		return 0, unix.ENOSYS // there is no /proc, or the process has ended, for which callers look
	} else if err != nil {
		return 0, err
	}
	defer closeQuickly(fd)
	n, err := unix.Pread(fd, buf, int64(address))
	if err == unix.EIO {
		err = unix.EFAULT
	}
	return max(n, 0), err
}
