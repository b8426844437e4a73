//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

import (
	"bytes"
	"encoding/binary"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptors of the program that InitCode returns.
const (
	InitParent = 0 // readable, or hung up, once the parent is gone
	InitKill   = 1 // gets a "1" then, where it is open
	InitGate   = 2 // keeps the program back until it can be read, or its end comes
)

// What follows the last instruction, where it is not reached.
const (
	initEnd0 = 0 // none of its instructions anywhere
	initEnd1 = 0x6e776170
)

// initAddr is implemented in assembly: the first byte of the code.
func initAddr() *byte

// maxInit is more than the code has bytes.
const maxInit = 1024

// InitCode is the code of a program that takes what it needs from its descriptors and
// its stack: it can run anywhere in memory, and starts with its first byte. It names
// itself after its first argument, waits at its gate, makes itself untouchable for others
// of its user, and then waits for the end of its parent, after which it ends. It ends
// without a "1" where it may not wait by poll: see InitMayPoll. It has no
// signal blocked. As process 1 of a pid namespace, no signal from inside ends it, and its
// end is that of all others. It needs no loop of wait4 where SIGCHLD is ignored: the
// kernel then reaps its children itself.
func InitCode() []byte {
	end := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, initEnd0), initEnd1)
	var code []byte
	for len(code) < maxInit {
		code = append(code, *(*byte)(unsafe.Add(unsafe.Pointer(initAddr()), len(code))))
		if bytes.HasSuffix(code, end) {
			return code[:len(code)-len(end)]
		}
	}
	panic("bug: the end of the init program is missing")
}

// InitMayPoll tries the call by which the program waits, with what is to be its descriptor
// InitParent. A filter of this thread may refuse it, and would be that of the program, too.
func InitMayPoll(parent int) syscall.Errno {
	p := unix.PollFd{Fd: int32(parent), Events: unix.POLLIN}
	for {
		if errno := tryPoll(&p); errno != unix.EINTR {
			return errno
		}
	}
}
