package main

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// others are the signals that an init also passes on: all but those of faults, of job
// control, of children and of the runtime.
func others() (list []os.Signal) {
	for _, sig := range []syscall.Signal{
		unix.SIGABRT, unix.SIGALRM, unix.SIGVTALRM, unix.SIGXCPU, unix.SIGXFSZ, unix.SIGIO, unix.SIGPWR,
		unix.SignalNum("SIGSTKFLT"), // 0 on MIPS, which has no such signal
	} {
		if sig != 0 {
			list = append(list, sig)
		}
	}
	for sig := syscall.Signal(35); sig <= 64; sig++ {
		list = append(list, sig)
	}
	return list
}

// leaveGroup takes an init out of a process group of another pid namespace, whose number it
// can't know. What comes from the terminal of that group is for the program and for
// spawn --init; what that one passes on comes to the init alone.
func leaveGroup() {
	if ownGroup() == 0 {
		_ = unix.Setpgid(0, 0) // it can't fail: this is no session's leader
	}
}
