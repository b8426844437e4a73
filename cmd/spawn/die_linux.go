package main

import (
	"reflect"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// die ends this process by a signal, as a program was ended, without a core dump of its
// own. It returns where the signal does not end it, as in an init.
func die(sig syscall.Signal) {
	// The Go runtime keeps handlers for most signals, so the kernel is asked. A zero
	// struct sigaction is the default action; the memory stays where it is.
	action, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return
	}
	runtime.LockOSThread()
	const sizeofSigset = 8
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), reflect.ValueOf(action).Pointer(), 0, sizeofSigset, 0, 0)
	if errno != 0 && sig != syscall.SIGKILL {
		return
	}
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // it can't fail
	var none unix.Sigset_t
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &none, nil) // it can't fail
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), sig)
}
