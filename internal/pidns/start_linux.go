//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package pidns

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/lasting"
	"github.com/safespawn/spawn/internal/raw"
)

// programFD is where the child has the program's file: after the descriptors that the
// program keeps.
const programFD = raw.InitGate + 1

// files are what a start of the init needs. Those that are made are closed by close.
type files struct {
	program int
	parent  int    // tells of the end of this process
	alive   int    // the other end of that, or -1; it stays open
	gate    [2]int // what the init waits at, and the other end
	guard   *guarding
}

func openFiles() (f files, err error) {
	f = files{-1, -1, -1, [2]int{-1, -1}, nil}
	defer func() {
		if err != nil {
			f.close()
			closeFD(&f.alive)
		}
	}()
	if f.program, err = program(); err != nil {
		return f, err
	}
	if f.parent, f.alive, err = endOfThisProcess(); err != nil {
		return f, err
	}
	f.gate, err = highfd.Pipe(0)
	return f, err
}

func (f *files) close() {
	for _, fd := range []*int{&f.program, &f.parent, &f.gate[0], &f.gate[1]} {
		closeFD(fd)
	}
}

func closeFD(fd *int) {
	if *fd >= 0 {
		unix.Close(*fd)
		*fd = -1
	}
}

// endOfThisProcess is a descriptor that becomes readable, or hangs up, at the end of this
// process. The other one must stay open meanwhile, where there is one.
func endOfThisProcess() (fd, other int, err error) {
	if kernel.Current().Pidfd {
		switch fd, err := unix.PidfdOpen(os.Getpid(), 0); err {
		case nil:
			fd, err = highfd.Raise(fd)
			return fd, -1, err
		case unix.EMFILE, unix.ENFILE, unix.ENOMEM:
			return -1, -1, os.NewSyscallError("pidfd_open", err)
		}
	}
	p, err := highfd.Pipe(0)
	if err != nil {
		return -1, -1, err
	}
	return p[0], p[1], nil
}

// open lets the init go on.
func (f *files) open() {
	_, _ = unix.Write(f.gate[1], []byte{0}) // or it hangs up
	closeFD(&f.gate[1])
}

// lastSignal is the last of all signals.
const lastSignal = 64

// sigIgn is a struct sigaction of signals that are ignored, as words.
var sigIgn = []uint64{1, 0, 0, 0}

// steps is what the child does that becomes the init. Its signals are blocked, and so they
// are at first in the init.
func (f *files) steps() *raw.Program {
	var b raw.Builder
	zero := raw.Int(0)
	step := func(name string) { b.Step(raw.Step{Name: name, Index: -1}) }
	step("sigignore")
	ignore := b.Words(sigIgn...)
	for sig := int64(1); sig <= lastSignal; sig++ {
		if sig != int64(unix.SIGKILL) && sig != int64(unix.SIGSTOP) {
			b.Call(0, raw.RtSigaction, raw.Int(sig), ignore, zero, raw.Int(8))
		}
	}
	step("setsid")
	b.Call(0, raw.Setsid)
	step("chdir")
	b.Call(0, raw.Chdir, b.String("/"))
	step("oom_score_adj")
	neverKilled(&b)
	if f.guard == nil {
		step("pdeathsig")
		b.Call(0, raw.Prctl, raw.Int(unix.PR_SET_PDEATHSIG), raw.Int(int64(unix.SIGKILL)), zero, zero, zero)
	}
	step("files")
	b.Call(0, raw.Dup3, raw.Int(int64(f.parent)), raw.Int(raw.InitParent), zero)
	if f.guard != nil {
		b.Call(0, raw.Dup3, raw.Int(int64(f.guard.kill)), raw.Int(raw.InitKill), zero)
	} else {
		b.Call(0, raw.Close, raw.Int(raw.InitKill)).Ignore()
	}
	b.Call(0, raw.Dup3, raw.Int(int64(f.gate[0])), raw.Int(raw.InitGate), zero)
	if f.program != programFD {
		b.Call(0, raw.Dup3, raw.Int(int64(f.program)), raw.Int(programFD), raw.Int(unix.O_CLOEXEC))
	}
	closeFrom(&b, programFD+1)
	step("execve")
	argv, env := b.Strings([]string{f.name()}), b.Strings(nil)
	b.Call(0, raw.Execveat, raw.Int(programFD), b.String(""), argv, env, raw.Int(unix.AT_EMPTY_PATH)).
		Tolerate(uint8(unix.ENOSYS), uint8(unix.EPERM))
	b.Call(0, raw.Execve, b.String(fmt.Sprint("/proc/self/fd/", programFD)), argv, env)
	return b.Build()
}

// neverKilled keeps the OOM killer away, where that is allowed and there is a /proc.
func neverKilled(b *raw.Builder) {
	const score = "-1000"
	fd := b.Var()
	b.Call(0, raw.Openat, raw.Int(unix.AT_FDCWD), b.String("/proc/self/oom_score_adj"), raw.Int(unix.O_WRONLY|unix.O_CLOEXEC), raw.Int(0)).
		Keep(fd).Ignore()
	b.Call(0, raw.Write, raw.VarArg(fd, 0), b.String(score), raw.Int(int64(len(score)))).Ignore().SkipEqual(fd, 0)
}

// closeFrom closes all descriptors from one on.
func closeFrom(b *raw.Builder, first int64) {
	if kernel.Current().CloseRange {
		b.Call(0, raw.CloseRange, raw.Int(first), raw.Int(1<<32-1), raw.Int(0))
		return
	}
	b.Call(0, raw.Close, raw.Int(first)).Sweep(raw.Int(int64(highfd.Limit())))
}

// start makes the init, on a thread that lasts.
func (f *files) start() (pid, pidfd int, err error) {
	if err := shares(); err != nil {
		return 0, -1, err
	}
	if errno := lasting.DoApart(func() { pid, pidfd, err = f.startHere() }); errno != 0 {
		return 0, -1, os.NewSyscallError("clone", errno)
	}
	return pid, pidfd, err
}

func (f *files) startHere() (pid, pidfd int, err error) {
	if err := f.mayPoll(); err != nil {
		return 0, -1, err
	}
	r := raw.NewRun(f.steps())
	defer r.Free()
	has := kernel.Current()
	flags := uint64(unix.CLONE_VM | unix.CLONE_VFORK)
	group := 0
	switch {
	case f.guard == nil:
		flags |= unix.CLONE_NEWPID
	case f.guard.group >= 0:
		flags |= unix.CLONE_INTO_CGROUP
		group = f.guard.group
	}
	if has.Clone3 {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	if has.Pidfd {
		flags |= unix.CLONE_PIDFD
	}
	pid, errno := r.Start(raw.Clone{Flags: flags, Legacy: !has.Clone3, Cgroup: group, ErrFD: -1})
	switch {
	case errno != 0 && f.guard != nil:
		return 0, -1, refusedToGuard(errno)
	case errno != 0:
		return 0, -1, refusedByClone(errno)
	}
	pidfd = r.Pidfd()
	if step, errno, failed := r.Failure(); failed {
		reapNow(pid, pidfd)
		closeFD(&pidfd)
		return 0, -1, refusedInChild(step.Name, errno)
	}
	if pidfd >= 0 {
		if pidfd, err = highfd.Raise(pidfd); err != nil {
			pidfd = -1 // the pid will do
		}
	}
	return pid, pidfd, nil
}

// mayPoll looks for a filter of this thread that refuses poll. The init would have the same
// filter, and could not wait for the end of this process.
func (f *files) mayPoll() error {
	switch errno := raw.InitMayPoll(f.parent); errno {
	case 0:
		return nil
	case unix.ENOMEM:
		return os.NewSyscallError("poll", errno)
	default:
		return &Refusal{What: "poll, which a filter refuses", Err: errno}
	}
}

// reapNow takes the status of a child that has ended, unless somebody else does: then the
// pid may be another's.
func reapNow(pid, pidfd int) {
	var x raw.Exit
	if pidfd >= 0 && kernel.Current().Waitid {
		if errno := raw.Waitid(unix.P_PIDFD, pidfd, unix.WEXITED|unix.WALL, &x); errno == 0 || errno == unix.ECHILD {
			return
		}
	}
	raw.Wait4(pid, unix.WALL, &x)
}

// refusedByClone is about a namespace that can't be made.
func refusedByClone(errno syscall.Errno) error {
	switch errno {
	case unix.EPERM, unix.EACCES:
		return &Refusal{What: "CAP_SYS_ADMIN for a pid namespace", Err: errno}
	case unix.EINVAL, unix.ENOSYS:
		return &Refusal{What: "CONFIG_PID_NS", Err: errno}
	case unix.ENOSPC, unix.EUSERS:
		return &Refusal{What: "one more pid namespace, of user.max_pid_namespaces or 32 inside of each other", Err: errno, passing: true}
	}
	return os.NewSyscallError("clone", errno)
}

// refusedInChild is about a step of the child.
func refusedInChild(step string, errno syscall.Errno) error {
	err := os.NewSyscallError(step, errno)
	if step == "execve" && (errno == unix.EACCES || errno == unix.EPERM || errno == unix.ENOSYS || errno == unix.ENOENT) {
		return &Refusal{What: "execveat of a file in memory", Since: "3.19", Err: err}
	}
	return err
}
