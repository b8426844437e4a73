package spawn

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/safespawn/spawn/internal/highfd"
)

// ProcessState says how a child ended, and what it has used.
type ProcessState struct {
	pid    int
	status syscall.WaitStatus
	code   int32 // si_code of the signal, where coded
	coded  bool
	oom    bool
	usage  *syscall.Rusage
}

// newState is the state of a child that was waited for elsewhere.
func newState(pid int, status syscall.WaitStatus, usage *syscall.Rusage) *ProcessState {
	return &ProcessState{pid: pid, status: status, usage: usage}
}

// Pid returns the process id that the child had.
func (s *ProcessState) Pid() int { return s.pid }

// Exited reports whether the child exited by itself, rather than by a signal.
func (s *ProcessState) Exited() bool { return s.status.Exited() }

// ExitCode returns the status of a child that exited, and -1 for a child that was
// killed.
func (s *ProcessState) ExitCode() int { return s.status.ExitStatus() }

// Signaled reports whether a signal killed the child.
func (s *ProcessState) Signaled() bool { return s.status.Signaled() }

// Signal returns the signal that killed the child, and -1 if the child exited.
func (s *ProcessState) Signal() syscall.Signal { return s.status.Signal() }

// CoreDump reports whether the signal that killed the child has made the kernel dump
// core. Where the core went, and whether all of it was written, is decided by
// core_pattern. See core(5).
func (s *ProcessState) CoreDump() bool { return s.status.CoreDump() }

// SignalCode returns the si_code of the signal that crashed the child. For SIGSEGV, 1 is
// SEGV_MAPERR: there was no memory at the address. A code of 0 or less means that a
// process sent the signal; see sigaction(2) for all codes.
//
// ok is false if the child exited, if its signal is not one that dumps core, and if the
// kernel does not tell. Linux 7.1. See PIDFD_GET_INFO(2const).
func (s *ProcessState) SignalCode() (code int, ok bool) { return int(s.code), s.coded }

// OOMKilled reports whether the kernel's OOM killer has ended the child. It knows of
// children that were started in a [Tree] whose control group counts memory, because of
// Limits.Memory for one; of others it returns false.
//
// OOMKilled returns true if SIGKILL has ended the child, and the OOM killer has killed a
// process of the tree since the child was started. This is certain for the one child of a
// tree. If a tree has several children, or somebody else sends SIGKILL, the OOM killer
// may have killed another process.
func (s *ProcessState) OOMKilled() bool { return s.oom }

// Success reports whether the child exited with status 0.
func (s *ProcessState) Success() bool { return s.status.ExitStatus() == 0 }

// Sys returns the status as the system has it: a syscall.WaitStatus.
func (s *ProcessState) Sys() any { return s.status }

// Rusage returns the resources that the child has used, including those of its
// children that it has waited for. It returns nil if another waiter took the
// status. See getrusage(2).
func (s *ProcessState) Rusage() *syscall.Rusage { return s.usage }

// UserTime returns the CPU time spent in user mode. It is 0 if another waiter took
// the status.
func (s *ProcessState) UserTime() time.Duration {
	if s.usage == nil {
		return 0
	}
	return userTime(s.usage)
}

// SystemTime returns the CPU time spent in the kernel. It is 0 if another waiter
// took the status.
func (s *ProcessState) SystemTime() time.Duration {
	if s.usage == nil {
		return 0
	}
	return systemTime(s.usage)
}

// MaxRSS returns the largest amount of resident memory that the child or one of the
// children that it waited for has had, in bytes. It is 0 if the system does not tell.
//
// On Linux it is at least the largest amount that this process had had when the
// child came to execve: the child shares the memory of this process until then, and
// the kernel counts it as the child's. [ProcessState.PeakRSS] tells the two apart.
func (s *ProcessState) MaxRSS() int64 {
	if s.usage == nil {
		return 0
	}
	return maxRSS(s.usage)
}

// PeakRSS returns MaxRSS, in bytes, if the memory is the child's own. It costs a
// system call.
//
// If this process itself has had as much memory, the kernel does not tell the two
// apart, and ok is false. Then ask [Process.PeakRSS] while the child runs. Or give
// the child a cgroup of its own, and read the file memory.peak of the cgroup.
func (s *ProcessState) PeakRSS() (bytes int64, ok bool) {
	if most := s.MaxRSS(); most > ownMaxRSS() {
		return most, true
	}
	return 0, false
}

// String formats the state as os.ProcessState does: "exit status 1", "signal:
// killed".
func (s *ProcessState) String() string {
	switch {
	case s == nil:
		return "<nil>"
	case s.Exited():
		return fmt.Sprintf("exit status %d", s.ExitCode())
	case s.status.CoreDump():
		return fmt.Sprintf("signal: %v (core dumped)", s.Signal())
	case s.Signaled():
		return fmt.Sprintf("signal: %v", s.Signal())
	}
	return fmt.Sprintf("status %v", s.status)
}

// peakRSS is the most that the process with a pid has had. One that has ended has no
// memory any more.
func peakRSS(pid int) (int64, error) {
	if runtime.GOOS != "linux" {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", &UnsupportedError{What: "/proc/PID/status, which Linux has"})
	}
	if own, err := os.Readlink("/proc/self"); err != nil || own != strconv.Itoa(os.Getpid()) {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", &UnsupportedError{What: "a /proc of this process's pid namespace"})
	}
	status, err := highfd.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", err)
	}
	_, rest, has := bytes.Cut(status, []byte("\nVmHWM:"))
	if !has {
		return 0, os.ErrProcessDone
	}
	line, _, _ := bytes.Cut(rest, []byte(" kB\n"))
	kib, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("spawn: Process.PeakRSS: %w", err)
	}
	return kib << 10, nil
}
