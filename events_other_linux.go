//go:build android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawn

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// change asks whether the child was stopped or continued. Its signal is not known.
func (p *Process) change() (status syscall.WaitStatus, changed bool, err error) {
	const cldStopped, cldContinued = 5, 6
	var info unix.Siginfo
	err = p.WithPidfd(func(fd uintptr) error {
		for {
			err := unix.Waitid(unix.P_PIDFD, int(fd), &info, unix.WSTOPPED|unix.WCONTINUED|unix.WNOHANG, nil)
			if err != unix.EINTR {
				return err
			}
		}
	})
	switch {
	case errors.Is(err, os.ErrProcessDone) || err == unix.ECHILD:
		return 0, false, nil // the end is to come
	case err != nil:
		return 0, false, err
	}
	switch info.Code {
	case cldStopped:
		return 0x7f, true, nil
	case cldContinued:
		return 0xffff, true, nil
	}
	return 0, false, nil
}
