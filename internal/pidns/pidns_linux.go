//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// Namespace is a pid namespace with an init.
type Namespace struct {
	file *highfd.Held // of the namespace

	mu     sync.Mutex
	pid    int // of the init
	pidfd  int // of the init, or -1
	claim  raw.Claim
	alive  int // what the init waits by, or -1
	reaped bool
}

// New makes a namespace. The error is a *Refusal where none can be made here.
func New() (*Namespace, error) {
	f, err := openFiles()
	if err != nil {
		return nil, err
	}
	defer f.close()
	n := &Namespace{alive: f.alive}
	if n.pid, n.pidfd, err = f.start(); err != nil {
		closeFD(&f.alive)
		return nil, err
	}
	n.claim = raw.ClaimPidfd(n.pidfd)
	if err := n.open(); err != nil {
		n.signal(unix.SIGKILL)
		n.leave()
		return nil, err
	}
	f.open()
	return n, nil
}

// open opens the file of the namespace. The init can't have been replaced by another
// process: it is a child, and the last look is whether it is there.
func (n *Namespace) open() error {
	fd, err := namespaceOf(n.pid, n.pidfd)
	if err != nil {
		return err
	}
	if fd, err = highfd.Raise(fd); err != nil {
		return err
	}
	if n.file, err = highfd.Hold(fd, "pid namespace"); err != nil {
		return err
	}
	if !n.Alive() {
		n.file.Close()
		return unix.ESRCH
	}
	return nil
}

// namespaceOf opens the pid namespace of a child: by its pidfd, or else by /proc.
func namespaceOf(pid, pidfd int) (int, error) {
	if pidfd >= 0 {
		if fd, err := unix.IoctlRetInt(pidfd, unix.PIDFD_GET_PID_NAMESPACE); err == nil { // Linux 6.11
			return fd, nil
		}
		if n := kernel.NumberOfPidfd(pidfd); n > 0 {
			return highfd.Open("/proc/"+strconv.Itoa(n)+"/ns/pid", unix.O_RDONLY, 0)
		}
	}
	if !kernel.OurIDs() {
		return -1, &Refusal{What: "/proc, or a pidfd that names its namespaces", Since: "6.11", Err: unix.ENOENT}
	}
	return highfd.Open("/proc/"+strconv.Itoa(pid)+"/ns/pid", unix.O_RDONLY, 0)
}

// File is the file of the namespace, for setns. It stays the namespace's.
func (n *Namespace) File() *os.File { return n.file.File }

// Usable reports whether others can be made in the namespace: its file is there, and its
// init neither dead nor dying.
func (n *Namespace) Usable() bool {
	return !n.strays() && n.Alive() && !n.ending()
}

// strays reports whether other code has closed the file.
func (n *Namespace) strays() bool { return n.file.With(func(int) error { return nil }) != nil }

// Alive reports whether the init has not ended. One that has ended is reaped.
func (n *Namespace) Alive() bool { return !n.tryReap() }

// ask reaps the init if it has ended.
func (n *Namespace) ask(x *raw.Exit) syscall.Errno {
	const options = unix.WNOHANG | unix.WALL
	switch {
	case !kernel.Current().Waitid:
		return raw.Wait4(n.pid, options, x)
	case n.holds():
		return raw.Waitid(unix.P_PIDFD, n.pidfd, options|unix.WEXITED, x)
	}
	return raw.Waitid(unix.P_PID, n.pid, options|unix.WEXITED, x)
}

// holds reports whether the number of the pidfd is still that of the init, as far as can
// be found out: other code may have closed it by mistake.
func (n *Namespace) holds() bool {
	return n.pidfd >= 0 && n.claim.Holds(n.pidfd) && kernel.IsPidfd(n.pidfd, n.pid)
}

// signal sends the init a signal. Its pid is its own until it is reaped.
func (n *Namespace) signal(sig unix.Signal) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.reaped || n.pid <= 0:
	case n.holds() && unix.PidfdSendSignal(n.pidfd, sig, nil, 0) == nil:
	case !n.tryReapLocked():
		_ = unix.Kill(n.pid, sig) // or it is ending
	}
}

// tryReap takes the status of the init if it has ended, and reports whether it is gone.
func (n *Namespace) tryReap() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.tryReapLocked()
}

func (n *Namespace) tryReapLocked() bool {
	if n.reaped || n.pid <= 0 { // 0 would be this process's group
		return true
	}
	var x raw.Exit
	if errno := n.ask(&x); errno != 0 && errno != unix.ECHILD || errno == 0 && x.PID == 0 {
		return false
	}
	n.reaped = true
	if n.holds() {
		unix.Close(n.pidfd)
	}
	n.pidfd = -1
	closeFD(&n.alive)
	return true
}

// leave has the init reaped once it has ended: only then have all others of its namespace
// been reaped, also those whose parent is this process.
func (n *Namespace) leave() {
	if n.tryReap() {
		return
	}
	go func() {
		for pause := time.Millisecond; !n.tryReap(); pause = min(2*pause, maxPause) {
			time.Sleep(pause)
		}
	}()
}

// maxPause is the longest time between two looks at an init that is ending.
const maxPause = time.Second

// Kill kills all processes of the namespace, and does not wait for their end.
func (n *Namespace) Kill() { n.signal(unix.SIGKILL) }

// Close kills what is left of the namespace and lets go of it.
func (n *Namespace) Close() {
	n.Kill()
	n.leave()
	n.file.Close()
}
