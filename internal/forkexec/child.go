package forkexec

import (
	"errors"
	"os"
	"syscall"
)

// Child is a child that nobody has reaped.
type Child struct {
	proc  *os.Process
	Leads bool // a process group, whose id is its pid
}

// Of is the child that package os knows as p.
func Of(p *os.Process, leads bool) Child { return Child{p, leads} }

// Process is the child as package os knows it.
func (c Child) Process() *os.Process { return c.proc }

// PID is its process id.
func (c Child) PID() int { return c.proc.Pid }

// Signal sends a signal of the system's.
func (c Child) Signal(sig os.Signal) error {
	if _, ok := sig.(syscall.Signal); !ok {
		return syscall.EINVAL
	}
	return c.signal(sig)
}

// WithPidfd calls f with a descriptor of the process, which is f's only for the time
// of the call. It returns the error of f, or os.ErrNoHandle where there is no pidfd.
func (c Child) WithPidfd(f func(fd uintptr) error) error {
	var inner error
	if err := c.proc.WithHandle(func(fd uintptr) { inner = f(fd) }); err != nil {
		return err
	}
	return inner
}

// Wait waits for the end, reaps the child and lets go of it. It costs a thread. The
// error is ECHILD where somebody else has reaped it.
func (c Child) Wait() (status syscall.WaitStatus, usage *syscall.Rusage, err error) {
	ended, err := c.proc.Wait()
	if err != nil {
		c.Release() // the pidfd; Wait does it if it succeeds
		if errors.Is(err, syscall.ECHILD) {
			err = syscall.ECHILD
		}
		return status, nil, err
	}
	status, _ = ended.Sys().(syscall.WaitStatus)
	usage, _ = ended.SysUsage().(*syscall.Rusage)
	return status, usage, nil
}

// Release lets go of the child without reaping it.
func (c Child) Release() { _ = c.proc.Release() } // which only fails when it was called before

// discard ends a child that nobody has use for.
func (c Child) discard() {
	_ = c.proc.Kill() // fails when it has ended by itself
	_, _, _ = c.Wait()
}
