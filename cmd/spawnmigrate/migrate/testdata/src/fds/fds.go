package fds

import (
	"os/exec" // want `import of os/exec can be`
	"syscall"

	"golang.org/x/sys/unix"
)

func leaks(fd int) {
	_, _ = syscall.Open("x", syscall.O_RDONLY, 0) // want `Open makes a descriptor without close-on-exec`
	_, _ = unix.Open("x", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	_, _ = unix.Dup(fd)                                // want `Dup makes a descriptor`
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0) // want `close-on-exec is cleared`
	_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC)
	_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_SETFD, 0) // want `close-on-exec is cleared`
	closed, _ := syscall.Open("x", syscall.O_RDONLY, 0)
	syscall.CloseOnExec(closed)
	_ = exec.Command("ls").Run()
}

func alone() {
	_, _ = syscall.Open("x", syscall.O_RDONLY, 0)
}

// socket has a method with the name of a function of package syscall.
type socket struct{}

func (socket) CloseOnExec() {}

func namesake(s socket) {
	s.CloseOnExec()
	_ = exec.Command("ls").Run()
}
