//go:build 386 || arm

package raw

import "golang.org/x/sys/unix"

// The calls that take or return ids of 32 bits. Those without the number are for 16.
const (
	sysGetresuid = unix.SYS_GETRESUID32
	sysGetresgid = unix.SYS_GETRESGID32
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresuid = unix.SYS_SETRESUID32
	sysSetresgid = unix.SYS_SETRESGID32
)
