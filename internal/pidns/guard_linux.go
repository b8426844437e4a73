//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
)

// Guard is a process that kills all processes of a control group once this process has
// ended.
type Guard struct{ n Namespace }

// guarding is what a guardian gets beside the descriptors of an init.
type guarding struct {
	kill  int // cgroup.kill of the group
	group int // the directory of the group to be in, or -1
}

// NewGuard makes the guardian of a group, whose file cgroup.kill is open as kill. The
// guardian is in the group whose directory is open as group, and where that is -1 in the
// group of this process. The error is a *Refusal where none can be made here.
func NewGuard(kill, group int) (*Guard, error) {
	if has := kernel.Current(); group >= 0 && !(has.Clone3 && has.Cgroup) {
		return nil, &Refusal{What: "clone3 into a control group", Since: "5.7", Err: unix.ENOSYS}
	}
	f, err := openFiles()
	if err != nil {
		return nil, err
	}
	defer f.close()
	if f.alive >= 0 { // it would hang up at execve of this process
		closeFD(&f.alive)
		return nil, &Refusal{What: "pidfd_open for this process", Since: "5.3", Err: unix.ENOSYS}
	}
	f.guard = &guarding{kill, group}
	pid, pidfd, err := f.start()
	if err != nil {
		return nil, err
	}
	f.open()
	g := &Guard{Namespace{pid: pid, pidfd: pidfd, alive: -1}}
	g.n.claim = raw.ClaimPidfd(pidfd)
	return g, nil
}

// Alive reports whether the guardian has not ended.
func (g *Guard) Alive() bool { return g.n.Alive() }

// Close ends the guardian, whose group then outlives this process.
func (g *Guard) Close() {
	g.n.signal(unix.SIGKILL)
	g.n.leave()
}

// name is that of the process.
func (f *files) name() string {
	if f.guard != nil {
		return guardName
	}
	return initName
}

// refusedToGuard is about a guardian that clone can't make.
func refusedToGuard(errno syscall.Errno) error {
	switch errno {
	case unix.EACCES, unix.EPERM, unix.EBUSY, unix.EOPNOTSUPP, unix.ENODEV, unix.ENOENT:
		return &Refusal{What: "a control group in which this process may put its children", Err: errno}
	case unix.EINVAL, unix.ENOSYS:
		return &Refusal{What: "clone3 into a control group", Since: "5.7", Err: errno}
	}
	return os.NewSyscallError("clone3", errno)
}
