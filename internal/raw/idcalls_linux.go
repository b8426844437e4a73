//go:build !(386 || arm)

package raw

import "golang.org/x/sys/unix"

// The calls that take or return ids of 32 bits.
const (
	sysGetresuid = unix.SYS_GETRESUID
	sysGetresgid = unix.SYS_GETRESGID
	sysSetgroups = unix.SYS_SETGROUPS
	sysSetresuid = unix.SYS_SETRESUID
	sysSetresgid = unix.SYS_SETRESGID
)
