//go:build 386 || arm

package raw

import "golang.org/x/sys/unix"

// The calls that take or return ids of 32 bits. Those without the number are for 16.
const (
	sysGetuid    = unix.SYS_GETUID32
	sysGetgid    = unix.SYS_GETGID32
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
)
