//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package raw

//lint:file-ignore U1000 what matters of these types is how they look

import (
	"errors"
	"os"
	"reflect"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

// TestKnowsOS fails with a version of Go whose package os has other types: package
// exec then costs a pidfd more for each child.
func TestKnowsOS(t *testing.T) {
	if !KnowsOS() {
		t.Errorf("os.Process is %v", reflect.TypeFor[os.Process]())
	}
}

// TestAlike wants every difference to be seen.
func TestAlike(t *testing.T) {
	type handle struct {
		handle uintptr
		refs   atomic.Int32
	}
	type same struct {
		Pid     int
		state   atomic.Uint32
		sigMu   sync.RWMutex
		handle  *handle
		cleanup runtime.Cleanup
	}
	type name struct {
		Pid     int
		status  atomic.Uint32
		sigMu   sync.RWMutex
		handle  *handle
		cleanup runtime.Cleanup
	}
	type order struct {
		Pid     int
		state   atomic.Uint32
		sigMu   sync.RWMutex
		cleanup runtime.Cleanup
		handle  *handle
	}
	type kind struct {
		Pid     int
		state   atomic.Int32
		sigMu   sync.RWMutex
		handle  *handle
		cleanup runtime.Cleanup
	}
	type deeper struct {
		Pid    int
		state  atomic.Uint32
		sigMu  sync.RWMutex
		handle *struct {
			handle uintptr
			refs   atomic.Uint32
		}
		cleanup runtime.Cleanup
	}
	type more struct {
		Pid     int
		state   atomic.Uint32
		sigMu   sync.RWMutex
		handle  *handle
		cleanup runtime.Cleanup
		_       struct{}
	}
	for like, t2 := range map[reflect.Type]bool{
		reflect.TypeFor[same](): true, reflect.TypeFor[name](): false, reflect.TypeFor[order](): false,
		reflect.TypeFor[kind](): false, reflect.TypeFor[deeper](): false, reflect.TypeFor[more](): false, reflect.TypeFor[int](): false,
	} {
		if alike(like, reflect.TypeFor[osProcess]()) != t2 {
			t.Errorf("%v: not %v", like, t2)
		}
	}
}

// TestOSChildIsClosed wants a pidfd to be closed once, by whoever ends the process or
// by the collector.
func TestOSChildIsClosed(t *testing.T) {
	if !KnowsOS() {
		testenv.Skip(t, "another version of Go")
	}
	always := func(int, int) bool { return true }
	for name, end := range map[string]func(c *OSChild){
		"End":          func(c *OSChild) { c.End() },
		"End, kept":    func(c *OSChild) { c.Keep(always, nil); c.End(); c.End() },
		"Release":      func(c *OSChild) { c.Keep(always, nil); _ = c.Process().Release() },
		"the user has": func(c *OSChild) { _ = c.Process().WithHandle(func(uintptr) { c.End() }) },
		"garbage":      func(c *OSChild) { c.Keep(always, nil) },
	} {
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			testenv.Skip(t, "no pidfds")
		}
		file := "/proc/self/fd/" + strconv.Itoa(fd)
		was, err := os.Readlink(file)
		if err != nil {
			t.Fatal(err)
		}
		end(NewOSChild(os.Getpid(), fd, ClaimPidfd(fd)))
		if !testenv.Soon(func() bool {
			runtime.GC()
			now, _ := os.Readlink(file) // the runtime may have the number by now
			return now != was
		}) {
			t.Errorf("%s: it is open", name)
		}
	}
}

// TestForsakenWhileSignalled wants Forsake to be safe beside whoever uses the process,
// and the number not to be used or closed afterwards.
func TestForsakenWhileSignalled(t *testing.T) {
	if !KnowsOS() {
		testenv.Skip(t, "another version of Go")
	}
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		testenv.Skip(t, "no pidfds")
	}
	defer unix.Close(fd)
	c := NewOSChild(os.Getpid(), fd, ClaimPidfd(fd))
	c.Keep(func(int, int) bool { return true }, nil)
	signal := func() error { return c.Process().Signal(syscall.Signal(0)) }
	ended := make(chan error)
	go func() {
		err := signal()
		for err == nil {
			err = signal()
		}
		ended <- err
	}()
	c.Forsake()
	if err := <-ended; errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal by a number that is somebody else's: %v", err)
	}
	*c.Exit() = Exit{PID: c.PID()}
	if s := c.End(); !s.Success() || !errors.Is(signal(), os.ErrProcessDone) {
		t.Errorf("%v, %v", s, signal())
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil {
		t.Errorf("somebody's file was closed: %v", err)
	}
}
