package rawtest

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Notified is a system call that waits for an answer: struct seccomp_notif.
type Notified struct {
	ID    uint64
	PID   uint32
	Flags uint32
	NR    int32
	Arch  uint32
	IP    uint64
	Args  [6]uint64
}

// answer is struct seccomp_notif_resp.
type answer struct {
	id    uint64
	val   int64
	errno int32
	flags uint32
}

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

// Receive waits for a call that a listener is asked about.
func Receive(listener int) (n Notified, err error) {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_RECV, uintptr(unsafe.Pointer(&n)))
	return n, asError(0, 0, errno)
}

// Continue lets the kernel perform a call.
func (n *Notified) Continue(listener int) error {
	return send(listener, &answer{id: n.ID, flags: unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE})
}

// Return has a call return a value, or fail.
func (n *Notified) Return(listener int, val int64, errno syscall.Errno) error {
	return send(listener, &answer{id: n.ID, val: val, errno: -int32(errno)})
}

func send(listener int, a *answer) error {
	return asError(unix.Syscall(unix.SYS_IOCTL, uintptr(listener), unix.SECCOMP_IOCTL_NOTIF_SEND, uintptr(unsafe.Pointer(a))))
}

// Ask makes a call of prctl that only a listener understands, about a number and a text.
func Ask(option, number int, text string) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_PRCTL, uintptr(option), uintptr(number),
		uintptr(unsafe.Pointer(unsafe.StringData(text))), uintptr(len(text)), 0, 0)
	return int(n), asError(0, 0, errno)
}

// Text is the text of Ask.
func (n *Notified) Text() (string, error) {
	if n.Args[3] == 0 {
		return "", nil
	}
	b := make([]byte, n.Args[3])
	local := unix.Iovec{Base: &b[0]}
	local.SetLen(len(b))
	k, err := unix.ProcessVMReadv(int(n.PID), []unix.Iovec{local}, []unix.RemoteIovec{{Base: uintptr(n.Args[2]), Len: len(b)}}, 0)
	return string(b[:max(k, 0)]), err
}
