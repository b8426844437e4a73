//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"strconv"

	"golang.org/x/sys/unix"
)

// IsPidfd reports whether a descriptor is a pidfd of a child, as far as can be found out.
func IsPidfd(fd, pid int) bool {
	f := Current()
	if f.PidfdInfo {
		info := unix.PidfdInfo{Mask: unix.PIDFD_INFO_PID}
		switch unix.IoctlPidfdInfo(fd, &info) {
		case nil:
			return int(info.Pid) == pid
		case unix.EBADF, unix.ENOTTY, unix.EINVAL:
			return false
		}
		return true
	}
	if !f.Pidfd {
		return true
	}
	switch unix.PidfdSendSignal(fd, 0, nil, 0) {
	case unix.EBADF:
		return false
	case unix.ESRCH:
		return true // whosever it was, nobody gets a signal by it
	}
	// Others may have reaped the process by the time that /proc is read.
	return SaysPidfd(fd, pid) || unix.PidfdSendSignal(fd, 0, nil, 0) == unix.ESRCH
}

// SaysPidfd reports whether fd is a pidfd of a process, as far as /proc tells.
func SaysPidfd(fd, pid int) bool {
	if !OurIDs() {
		return true
	}
	return NumberOfPidfd(fd) == pid
}

// NumberOfPidfd is the number in /proc of a pidfd's process, 0 if that can't be found
// out.
func NumberOfPidfd(fd int) int {
	n, _ := Number("/proc/thread-self/fdinfo/"+strconv.Itoa(fd), "Pid")
	return n
}
