//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

//lint:file-ignore U1000 the assembly uses them

import "golang.org/x/sys/unix"

// Numbers for the assembly, by way of go_asm.h.
const (
	sysPrctl      = unix.SYS_PRCTL
	sysRead       = unix.SYS_READ
	sysClose      = unix.SYS_CLOSE
	prSetName     = unix.PR_SET_NAME
	prSetDumpable = unix.PR_SET_DUMPABLE
	eintr         = int(unix.EINTR)

	initKill     = InitKill
	initGate     = InitGate
	initPollfd   = unix.POLLIN // the upper half of a struct pollfd; the lower is InitParent
	initKillByte = '1'
)

// The lower half of the struct pollfd is 0 in the assembly.
var _ = [1]struct{}{}[InitParent]
