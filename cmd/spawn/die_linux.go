package main

import (
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// die ends this process by a signal, as a program was ended, without a core dump of its
// own. It returns where the signal does not end it, as in an init.
func die(sig syscall.Signal) {
	runtime.LockOSThread()
	if errno := raw.ResetSignal(sig); errno != 0 && sig != syscall.SIGKILL {
		return
	}
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // it can't fail
	var none unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil) // it can't fail
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
