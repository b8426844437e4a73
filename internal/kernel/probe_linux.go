//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package kernel

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/raw"
)

// shortage reports whether a call failed for a reason that says nothing about the
// kernel.
func shortage(errno syscall.Errno) bool {
	switch errno {
	case unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.EINTR, unix.ENOSPC, unix.EBUSY, unix.EUSERS:
		return true
	}
	return false
}

// probe makes children that only store their group id and exit.
func probe() *Findings {
	// prctl says the mode, too, but a filter may kill for it. Filters that come meanwhile
	// are left for the next look.
	f := &Findings{filters: filters{inStatus("Seccomp"), 0}}
	var kills killers
	if f.filters.mode != 0 {
		f.filters.count = inStatus("Seccomp_filters")
		var errno syscall.Errno
		if kills, errno = findKillers(); errno != 0 {
			return f.guessed(errno)
		}
	}
	if kills[raw.SchedYield] {
		raw.ForbidYield()
	}
	f.noPrctl = kills[raw.Prctl]
	if f.filters.mode < 0 {
		f.filters = f.threadFilters()
	}
	closeRange := !kills[raw.CloseRange] && unix.CloseRange(noFD, noFD, 0) == nil
	for _, c := range []struct {
		legacy bool
		flags  uint64
	}{{false, unix.CLONE_PIDFD}, {false, 0}, {true, unix.CLONE_PIDFD}, {true, 0}} {
		if kills[raw.Clone3] && !c.legacy {
			continue
		}
		got, errno := probeClone(c.legacy, c.flags, kills, closeRange)
		if errno == 0 {
			f.Features = got
			f.Clone3 = !c.legacy
			break
		}
		if c.flags != 0 && (errno == unix.EMFILE || errno == unix.ENFILE) {
			f.guess = true
		} else if shortage(errno) {
			return f.guessed(errno)
		}
	}
	if f.guess {
		f.Pidfd, f.PidfdInfo = true, true
	}
	f.Cgroup = f.Clone3 && f.probeCgroup()
	return f
}

// guessed is what is said when nothing could be found out.
func (f *Findings) guessed(why syscall.Errno) *Findings {
	f.Features, f.guess, f.Failed = everything, true, why
	return f
}

// probeClone tries to make a child; the error is why the call is refused. A
// program that counts its children's ends is not told of this one. closeRange is whether
// close_range without flags is there; the child, whose table is its own, tries the flag.
func probeClone(legacy bool, flags uint64, kills killers, closeRange bool) (f Features, errno syscall.Errno) {
	var b raw.Builder
	v, unshared := b.Var(), b.Var()
	b.Step(raw.Step{Name: "probe", Index: -1})
	b.Call(0, raw.Getpgid, raw.Int(0)).Keep(v)
	if closeRange {
		b.Call(0, raw.CloseRange, raw.Int(noFD), raw.Int(noFD), raw.Int(unix.CLOSE_RANGE_UNSHARE)).Ignore().KeepError(unshared)
	}
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	const unset = ^uint64(0) // no group: that is 0 where the pid namespace has it not
	r.Set(v, unset)
	flags |= unix.CLONE_VM | unix.CLONE_VFORK
	if !legacy {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	pid, errno := r.Start(raw.Clone{Flags: flags, Legacy: legacy, ErrFD: -1, Silent: true})
	if errno != 0 {
		return Features{}, errno
	}
	f.SharedMemory = r.Get(v) != unset
	f.CloseRange = closeRange && (!f.SharedMemory || r.Get(unshared) == 0)
	f.ExecSeen = !unmarked(pid, PublishTime)
	fd := r.Pidfd()
	byPidfd := fd >= 0 && !kills[raw.SysWaitid] && probeWait(unix.P_PIDFD, fd)
	// The child was reaped then, or else is now.
	f.Waitid = byPidfd || !kills[raw.SysWaitid] && probeWait(unix.P_PID, pid)
	if !f.Waitid {
		raw.Wait4(pid, unix.WALL, new(raw.Exit))
	}
	if fd < 0 {
		return f, 0
	}
	defer unix.Close(fd)
	if !kills[raw.PidfdSendSignal] {
		sent := unix.PidfdSendSignal(fd, 0, nil, 0)
		f.Pidfd = sent == unix.ESRCH && (byPidfd || !f.Waitid)
	}
	if f.Pidfd && !kills[raw.Ioctl] {
		_, f.PidfdInfo = raw.PidfdExit(fd, PublishTime)
	}
	return f, 0
}

// unmarked reports whether /proc takes a child that has had no execve for one that has. Linux
// does not. gVisor does, and does not clear the word of CLONE_CHILD_CLEARTID at execve either.
// Only a zombie is sure to be the child, whose end vfork does not wait for.
func unmarked(child int, limit time.Duration) (is bool) {
	for begin := time.Now(); ; time.Sleep(endPause) {
		ended := true
		raw.ReadQuickly("/proc/"+strconv.Itoa(child)+"/stat", func(text []byte) { is, ended = unmarkedIn(StatFields(text)) })
		if ended || time.Since(begin) >= limit {
			return is
		}
	}
}

// endPause is the time between two looks for an end.
const endPause = 20 * time.Microsecond

// unmarkedIn is unmarked for what /proc says of a process. It is not sure while the process
// may be about to end.
func unmarkedIn(stat [][]byte) (is, sure bool) {
	if len(stat) < statFields || string(stat[1]) != strconv.Itoa(os.Getpid()) {
		return false, true // it is another's by now, or of another pid namespace
	}
	flags, err := strconv.ParseUint(string(stat[StatFlags]), 10, 64)
	if err != nil || flags&ForkNoExec != 0 {
		return false, true
	}
	zombie := string(stat[0]) == "Z"
	return zombie, zombie
}

// PublishTime bounds the wait for the kernel to publish a status: a moment, if
// nobody takes the processor away meanwhile.
const PublishTime = 10 * time.Second

// probeWait waits for a child, which somebody else may have done: a goroutine that
// waits for all children.
func probeWait(idType, id int) bool {
	var x raw.Exit
	errno := raw.Waitid(idType, id, unix.WEXITED|unix.WALL, &x)
	return errno == 0 || errno == unix.ECHILD
}

// probeCgroup asks for a cgroup that can't be: a kernel that knows the flag looks
// at the descriptor and finds it bad, an older one doesn't get as far.
func (f *Findings) probeCgroup() bool {
	var b raw.Builder
	b.Step(raw.Step{Name: "probe", Index: -1})
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	_, errno := r.Start(raw.Clone{
		Flags:  unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_INTO_CGROUP,
		Cgroup: noFD,
		ErrFD:  -1,
		Silent: true,
	})
	if shortage(errno) {
		f.guess = true
		return true
	}
	return errno == unix.EBADF
}

// noFD is a number that no descriptor has.
const noFD = 1<<31 - 1

// killers are calls for which a filter kills.
type killers map[raw.Sys]bool

// guarded are the engine's own calls, with arguments that make them fail or do
// nothing. Those by which the child itself is reaped come early.
var guarded = []struct {
	sys  raw.Sys
	args []raw.Arg
}{
	{raw.Prctl, []raw.Arg{raw.Int(unix.PR_SET_DUMPABLE), raw.Int(0), raw.Int(0), raw.Int(0), raw.Int(0)}}, // for no core
	{raw.SysWaitid, []raw.Arg{raw.Int(unix.P_PIDFD), raw.Int(-1), raw.Int(0), raw.Int(unix.WEXITED | unix.WNOHANG), raw.Int(0)}},
	{raw.SysWait4, []raw.Arg{raw.Int(-1), raw.Int(0), raw.Int(unix.WNOHANG), raw.Int(0)}},
	{raw.CloseRange, []raw.Arg{raw.Int(noFD), raw.Int(noFD), raw.Int(unix.CLOSE_RANGE_UNSHARE)}}, // each has a table of its own
	{raw.Clone3, []raw.Arg{raw.Int(0), raw.Int(0)}},
	{raw.PidfdSendSignal, []raw.Arg{raw.Int(-1), raw.Int(0), raw.Int(0), raw.Int(0)}},
	{raw.Ioctl, []raw.Arg{raw.Int(-1), raw.Int(unix.PIDFD_GET_INFO), raw.Int(0)}},
	{raw.SchedYield, nil},
}

// findKillers finds the calls for which a filter kills, at the cost of children:
// each makes all calls that those before it have not died of. They have a copy of
// the memory, as before Linux 5.16 all that share it die of a signal that makes a
// core.
func findKillers() (killers, syscall.Errno) {
	kills := killers{}
	for at := 0; at < len(guarded); at++ {
		n, errno := tryGuarded(at, kills)
		if errno != 0 {
			return nil, errno
		}
		if at += n; at < len(guarded) {
			kills[guarded[at].sys] = true
		}
	}
	return kills, 0
}

// tryGuarded makes a child that makes the guarded calls from one on, and returns
// how many it has survived.
func tryGuarded(first int, kills killers) (n int, errno syscall.Errno) {
	pipe, err := highfd.Pipe(0)
	if err != nil {
		errors.As(err, &errno)
		return 0, errno
	}
	defer unix.Close(pipe[0])
	pid, errno := cloneGuarded(first, pipe[1])
	unix.Close(pipe[1])
	if shortage(errno) {
		return 0, errno
	}
	if errno != 0 {
		return len(guarded), 0 // no children at all: nothing is lost by trying the calls
	}
	n = countBytes(pipe[0])
	var x raw.Exit
	errno = reap(pid, !kills[raw.SysWaitid] && first+n > 1, &x)
	switch {
	case errno == 0 && x.Status.Exited():
		return len(guarded) - first, 0 // also where the pipe can't be read
	case errno == 0 && x.Status.Signaled() && x.Status.Signal() != unix.SIGSYS:
		return 0, unix.EAGAIN // somebody else has killed it
	}
	return n, 0
}

// reap waits for a child, by waitid where it may be called and does not fail.
func reap(pid int, waitid bool, x *raw.Exit) (errno syscall.Errno) {
	errno = unix.ENOSYS
	if waitid {
		errno = raw.Waitid(unix.P_PID, pid, unix.WEXITED|unix.WALL, x)
	}
	if errno != 0 && errno != unix.ECHILD {
		errno = raw.Wait4(pid, unix.WALL, x)
	}
	return errno
}

func cloneGuarded(first, pipe int) (pid int, errno syscall.Errno) {
	var b raw.Builder
	b.Step(raw.Step{Name: "probe", Index: -1})
	dot := b.String(".")
	for _, g := range guarded[first:] {
		b.Call(0, g.sys, g.args...).Ignore()
		b.Call(0, raw.Write, raw.Int(int64(pipe)), dot, raw.Int(1))
	}
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	return r.Start(raw.Clone{Legacy: true, ErrFD: -1, Silent: true})
}

// countBytes reads until the end of a pipe.
func countBytes(fd int) (n int) {
	var buf [64]byte
	for {
		k, err := unix.Read(fd, buf[:])
		if err == unix.EINTR {
			continue
		}
		if k <= 0 {
			return n
		}
		n += k
	}
}
