//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// systemCall is a call that was seen.
type systemCall struct {
	nr    uint64
	args  [6]uint64
	texts [6]string // what an argument points to, up to a NUL byte
	argv  []string  // the same of an array of pointers as the second argument
}

// recording is what a thread's next child did until it ran a program or ended.
type recording struct {
	clone  systemCall
	flags  uint64 // of clone or clone3
	calls  []systemCall
	execed bool
}

const traceOptions = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACEEXEC |
	unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACECLONE

// traceTimeout is when everything that is traced is killed.
const traceTimeout = 2 * time.Minute

// tracer follows a thread of another process to the clone, and then its child.
type tracer struct {
	pid, tid int
	child    atomic.Int32
	mem      *os.File // of the child
	rec      recording
}

// traceChild attaches to thread tid of process pid, calls attached, and records
// what the next process is doing that the thread makes. The error is EPERM where
// tracing is not allowed.
func traceChild(pid, tid int, attached func()) (*recording, error) {
	type result struct {
		rec *recording
		err error
	}
	done := make(chan result)
	go func() {
		// All requests must come from the thread that is attached. It ends here.
		runtime.LockOSThread()
		tr := &tracer{pid: pid, tid: tid}
		err := tr.run(attached)
		done <- result{&tr.rec, err}
	}()
	r := <-done
	return r.rec, r.err
}

func (tr *tracer) run(attached func()) error {
	if err := unix.PtraceSeize(tr.tid); err != nil {
		return err
	}
	timer := time.AfterFunc(traceTimeout, func() {
		_ = unix.Kill(tr.pid, unix.SIGKILL)
		if child := tr.child.Load(); child > 0 {
			_ = unix.Kill(int(child), unix.SIGKILL)
		}
	})
	defer timer.Stop()
	defer tr.release()
	if err := unix.PtraceInterrupt(tr.tid); err != nil {
		return os.NewSyscallError("interrupt", err)
	}
	if _, err := waitStop(tr.tid); err != nil {
		return err
	}
	if err := unix.PtraceSetOptions(tr.tid, traceOptions); err != nil {
		return os.NewSyscallError("set options", err)
	}
	attached()
	if err := tr.untilClone(); err != nil {
		return err
	}
	return tr.untilExec()
}

// release kills a child that is still attached.
func (tr *tracer) release() {
	if tr.mem != nil {
		tr.mem.Close()
	}
	child := int(tr.child.Load())
	if child <= 0 {
		return
	}
	_ = unix.Kill(child, unix.SIGKILL)
	for {
		if status, err := waitStop(child); err != nil || !status.Stopped() {
			return
		}
	}
}

// waitStop waits for a thread to stop or end.
func waitStop(tid int) (status unix.WaitStatus, err error) {
	for {
		_, err = unix.Wait4(tid, &status, unix.WALL, nil)
		if err != unix.EINTR {
			return status, os.NewSyscallError("wait4", err)
		}
	}
}

// untilClone lets the thread run until it has made a process, and lets go of it.
func (tr *tracer) untilClone() error {
	signal := 0
	for {
		if err := unix.PtraceCont(tr.tid, signal); err != nil {
			return os.NewSyscallError("continue", err)
		}
		status, err := waitStop(tr.tid)
		if err != nil || !status.Stopped() {
			return fmt.Errorf("the traced process: status %#x, %v", status, err)
		}
		signal = 0
		switch event := status >> 16; event {
		case unix.PTRACE_EVENT_VFORK, unix.PTRACE_EVENT_FORK, unix.PTRACE_EVENT_CLONE:
			if err := tr.cloned(); err != nil {
				return err
			}
			return os.NewSyscallError("detach", unix.PtraceDetach(tr.tid))
		case 0:
			signal = int(status.StopSignal())
		}
	}
}

func (tr *tracer) cloned() (err error) {
	child, err := unix.PtraceGetEventMsg(tr.tid)
	if err != nil {
		return err
	}
	tr.child.Store(int32(child))
	if tr.mem, err = os.Open(fmt.Sprintf("/proc/%d/mem", tr.tid)); err != nil {
		return err
	}
	if tr.rec.clone, err = tr.read(tr.tid); err != nil {
		return err
	}
	tr.mem.Close()
	tr.rec.flags = tr.rec.clone.args[raw.CloneFlagsArg()]
	if tr.rec.clone.nr == unix.SYS_CLONE3 {
		tr.rec.flags = binary.NativeEndian.Uint64([]byte(tr.rec.clone.texts[0]))
	}
	tr.mem, err = os.Open(fmt.Sprintf("/proc/%d/mem", child))
	return err
}

// untilExec records the child's calls.
func (tr *tracer) untilExec() error {
	child := int(tr.child.Load())
	entry := true
	for {
		status, err := waitStop(child)
		if err != nil {
			return err
		}
		signal := 0
		switch {
		case !status.Stopped():
			tr.child.Store(0)
			return nil
		case status>>16 == unix.PTRACE_EVENT_EXEC:
			tr.rec.execed = true
			tr.child.Store(0)
			return os.NewSyscallError("detach child", unix.PtraceDetach(child))
		case status.StopSignal() == unix.SIGTRAP|0x80:
			if entry {
				call, err := tr.read(child)
				if err != nil {
					return err
				}
				tr.rec.calls = append(tr.rec.calls, call)
			}
			entry = !entry
		case status>>16 == 0:
			signal = int(status.StopSignal())
		}
		if err := unix.PtraceSyscall(child, signal); err != nil {
			return os.NewSyscallError("continue child", err)
		}
	}
}

// read is the call that a stopped thread is in. What an argument might point to
// is read as well.
func (tr *tracer) read(tid int) (c systemCall, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", tid))
	if err != nil {
		return c, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 7 {
		return c, fmt.Errorf("thread %d is in no system call: %q", tid, b)
	}
	if c.nr, err = strconv.ParseUint(fields[0], 10, 64); err != nil {
		return c, err
	}
	for i := range c.args {
		if c.args[i], err = strconv.ParseUint(strings.TrimPrefix(fields[1+i], "0x"), 16, 64); err != nil {
			return c, err
		}
	}
	for i, addr := range c.args {
		c.texts[i] = string(tr.memory(addr, c.nr == unix.SYS_CLONE3))
	}
	if c.nr == unix.SYS_EXECVE {
		c.argv = tr.strings(c.args[1])
	}
	return c, nil
}

// memory is what is at an address: a string, or the first 64-bit word.
func (tr *tracer) memory(addr uint64, word bool) []byte {
	if addr < 1<<16 || addr > 1<<62 {
		return nil
	}
	buf := make([]byte, 4096)
	n, _ := tr.mem.ReadAt(buf, int64(addr)) // short at the end of a mapping
	if word {
		return buf[:8]
	}
	text, _, _ := bytes.Cut(buf[:n], []byte{0})
	return text
}

// strings are those of a null-terminated array of pointers.
func (tr *tracer) strings(addr uint64) (list []string) {
	const size = strconv.IntSize / 8
	for {
		at := uint64(uintptr(binary.NativeEndian.Uint64(tr.memory(addr, true))))
		if at == 0 {
			return list
		}
		list = append(list, string(tr.memory(at, false)))
		addr += size
	}
}
