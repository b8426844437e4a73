//go:build !plan9

package raw

import (
	"os"
	"reflect"
	"sync"
	"syscall"
	"unsafe"
)

// osState is os.ProcessState.
type osState struct {
	pid    int
	status syscall.WaitStatus
	rusage *syscall.Rusage
}

// knowsState reports whether package os has its type as it is known here.
var knowsState = sync.OnceValue(func() bool {
	if !alike(reflect.TypeFor[os.ProcessState](), reflect.TypeFor[osState]()) {
		return false
	}
	var status syscall.WaitStatus
	s := newOSState(1, status)
	return s.Pid() == 1 && s.Sys() == status
})

// NewOSState is the state of a process that somebody has made up. It is nil where package os
// is not as it is known here.
func NewOSState(pid int, status syscall.WaitStatus) *os.ProcessState {
	if !knowsState() {
		return nil
	}
	return newOSState(pid, status)
}

func newOSState(pid int, status syscall.WaitStatus) *os.ProcessState {
	own := &struct {
		state os.ProcessState
		usage syscall.Rusage
	}{}
	s := (*osState)(unsafe.Pointer(&own.state))
	s.pid, s.status, s.rusage = pid, status, &own.usage
	return &own.state
}

// NoProcess is a process that has ended, and that nobody can reach: its pid must be one that
// the kernel does not give.
func NoProcess(pid int) *os.Process {
	p, err := os.FindProcess(pid)
	if err != nil { // on Windows, where a Process needs a handle
		if p, err = os.FindProcess(os.Getpid()); err != nil {
			return new(os.Process)
		}
		_ = p.Release()
		p.Pid = pid
	}
	return p
}

// alike reports whether two types have the same fields in the same places.
func alike(a, b reflect.Type) bool {
	if a == b {
		return true
	}
	if a.Kind() != b.Kind() || a.Size() != b.Size() {
		return false
	}
	switch a.Kind() {
	case reflect.Pointer:
		return alike(a.Elem(), b.Elem())
	case reflect.Struct:
		if a.NumField() != b.NumField() {
			return false
		}
		for i := range a.NumField() {
			x, y := a.Field(i), b.Field(i)
			if x.Offset != y.Offset || y.Name != "_" && x.Name != y.Name || !alike(x.Type, y.Type) {
				return false
			}
		}
		return true
	}
	return false
}
