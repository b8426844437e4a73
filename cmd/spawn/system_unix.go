//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// relayed are the signals that are passed on to the program.
var relayed = []os.Signal{
	syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM,
	syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH,
}

// resuming is passed on, too, to a program that is started stopped.
var resuming = []os.Signal{syscall.SIGCONT}

// ends reports whether a signal asks a program to end.
func ends(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGTERM:
		return true
	}
	return false
}

// checkInherited fails for a descriptor that was not handed to this process: one
// that is not open, or that the Go runtime has opened for itself.
func checkInherited(fd int) error {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err == nil && flags&unix.FD_CLOEXEC != 0 {
		err = unix.EBADF
	}
	return err
}

// terminal is the controlling terminal.
type terminal struct{ fd int }

// openTerminal returns nil if there is none. A root directory without /dev/tty leaves the
// standard streams.
func openTerminal() *terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	for stream := 0; stream < 3 && err == unix.ENOENT; stream++ {
		if _, other := unix.IoctlGetInt(stream, unix.TIOCGPGRP); other == nil {
			fd, err = unix.FcntlInt(uintptr(stream), unix.F_DUPFD, 3)
		}
	}
	if err != nil {
		return nil
	}
	unix.CloseOnExec(fd) // programs have no descriptors but their own anyway
	return &terminal{fd}
}

func (t *terminal) close() {
	if t != nil {
		_ = unix.Close(t.fd)
	}
}

// sends reports whether a signal that this process got is one that the terminal
// has sent to its whole foreground process group. Who sent it can't be known in
// Go, so all such signals count while this group is in the foreground. A terminal
// that does not answer has hung up, and has told everybody, unless this process leads the
// session: it alone is told of that.
func (t *terminal) sends(sig os.Signal) bool {
	if t == nil || sig == syscall.SIGHUP && leadsSession() {
		return false
	}
	switch sig {
	case syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGWINCH:
		group, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
		return err != nil || group == ownGroup()
	}
	return false
}

func leadsSession() bool {
	session, err := unix.Getsid(0)
	return err == nil && session == os.Getpid()
}

func ownGroup() int {
	own, _ := unix.Getpgid(0) // never fails
	return own
}

// foreground is the process group in the foreground, 0 if there is none.
func (t *terminal) foreground() int {
	if t == nil {
		return 0
	}
	group, _ := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return group
}

// restore puts a process group back into the foreground, which the caller may not
// be in any more. It is for the end: a program would inherit the ignored signal.
func (t *terminal) restore(group int) {
	if group > 0 {
		signal.Ignore(syscall.SIGTTOU)
		// It fails when the group is gone.
		_ = setForeground(t.fd, group)
	}
}

// outliveReaders makes a write to standard output or standard error fail if nobody reads
// it. Package os would end this process by SIGPIPE, and the program would go on alone.
func outliveReaders() {
	if !signal.Ignored(syscall.SIGPIPE) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	}
}

// isTerminal reports whether a file is a terminal.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// inForeground reports whether this process is in the foreground of its terminal.
func inForeground() bool {
	t := openTerminal()
	defer t.close()
	return t.foreground() == ownGroup()
}

// openCarefully are the flags of open for a file that must be none but a regular file: a link
// is none, and nothing waits for a device.
const openCarefully = unix.O_NOFOLLOW | unix.O_NONBLOCK | unix.O_NOCTTY

// otherOwner is the owner of a file, and whether that is neither this user nor root.
func otherOwner(info os.FileInfo) (uid uint32, other bool) {
	uid = info.Sys().(*syscall.Stat_t).Uid
	return uid, uid != 0 && int(uid) != os.Geteuid()
}

// hardLinks is how many names a file has; 0 if it was removed.
func hardLinks(info os.FileInfo) uint64 { return uint64(info.Sys().(*syscall.Stat_t).Nlink) }

// lockFile locks a file for this process; it fails if another one has locked it.
func lockFile(f *os.File) error {
	return unix.FcntlFlock(f.Fd(), unix.F_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// contextSwitches are those of a program.
func contextSwitches(u *syscall.Rusage) (voluntary, involuntary int64, known bool) {
	return int64(u.Nvcsw), int64(u.Nivcsw), true
}
