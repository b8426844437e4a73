package rawtest

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// AddListenerToAll gives all threads of the process a filter that asks a listener, which
// is the descriptor. Only a fatal signal interrupts a call that the listener has received.
func AddListenerToAll(f []unix.SockFilter) (listener int, err error) {
	return addToAll(f, unix.SECCOMP_FILTER_FLAG_TSYNC_ESRCH|unix.SECCOMP_FILTER_FLAG_NEW_LISTENER|unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV)
}

// Hasten has a caller run at once where the listener that answers it would wait next;
// Linux 6.6.
func Hasten(listener int) {
	_, _, _ = unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SET_FLAGS, unix.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP)
}

// Ask makes a call of prctl that only a listener understands, about a number and a text.
func Ask(option, number int, text string) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, uintptr(option), uintptr(number),
		uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(len(text)), 0, 0)
	return int(n), asError(0, 0, errno)
}
