//go:build (amd64 || arm64) && !android

// Package kernel knows what this kernel has: found by doing, not by looking at its
// version.
package kernel

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Features is what this kernel has.
type Features struct {
	Clone3       bool
	Cgroup       bool
	CloseRange   bool
	Pidfd        bool
	PidfdInfo    bool
	SharedMemory bool
	Waitid       bool
}

// and is what both have.
func (f Features) and(g Features) Features {
	return Features{
		f.Clone3 && g.Clone3, f.Cgroup && g.Cgroup, f.CloseRange && g.CloseRange, f.Pidfd && g.Pidfd,
		f.PidfdInfo && g.PidfdInfo, f.SharedMemory && g.SharedMemory, f.Waitid && g.Waitid,
	}
}

// everything is what is hoped for where nothing could be found out.
var everything = Features{true, true, true, true, true, true, true}

// Findings is what is known of the kernel by now. A filter that is newer may have
// taken away some of it, on all threads or on one: what one of them is refused none
// uses any more.
type Findings struct {
	Features
	Generation int           // counts how often the features have changed
	guess      bool          // a shortage kept something from being found out
	Failed     syscall.Errno // it kept all of it from being so
	filters    filters       // of the thread that probed last
	modes      [3]bool       // modes of seccomp of all threads that have probed
	noPrctl    bool          // prctl must not be called
}

var (
	probing sync.Mutex
	probed  atomic.Pointer[Findings] // tests store others
)

// Known is what is known, for sure or not.
func Known() *Findings {
	if f := probed.Load(); f != nil {
		return f
	}
	return find(func(was *Findings) bool { return was == nil })
}

func Current() Features { return Known().Features }

// Here is what is known to hold for the calling thread, as far as that can be
// seen at next to no cost.
func Here() *Findings {
	doubt := func(f *Findings) bool { return f == nil || f.guess || !f.noPrctl && !f.modes[seccompMode()] }
	if f := Known(); !doubt(f) {
		return f
	}
	return find(doubt)
}

// FindAgain probes again where the calling thread has other filters than the one
// that did so last.
func FindAgain() {
	find(func(f *Findings) bool { return f == nil || f.filters.count < 0 || f.filters != threadFilters() })
}

// find probes, unless somebody else has done so meanwhile.
func find(doubt func(*Findings) bool) *Findings {
	probing.Lock()
	defer probing.Unlock()
	was := probed.Load()
	if !doubt(was) {
		return was
	}
	var f *Findings
	mode := 0
	look := func() { f, mode = probe(), seccompMode() }
	if maybeElsewhere() {
		onOtherThread(look)
	} else {
		look()
	}
	if was != nil {
		f.Generation, f.modes = was.Generation, was.modes
		if !was.guess {
			f.Features = f.and(was.Features)
		}
		if f.guess && !was.guess {
			return was // which was found out at a better time
		}
		if f.Features != was.Features {
			f.Generation++
		}
	}
	if !f.guess && !f.noPrctl {
		f.modes[mode] = true
	}
	probed.Store(f)
	return f
}

// maybeElsewhere reports whether children of the calling thread may be in another pid
// namespace than it: the first would be its init, and no other could be made after its
// end. Filters are looked at on their own thread where /proc does not tell.
func maybeElsewhere() bool {
	elsewhere, known := ChildrenElsewhere()
	return elsewhere || !known && seccompMode() == 0
}

// ChildrenElsewhere reports whether children of the calling thread are to be in
// another pid namespace than it, as far as that is known. The link to a namespace whose
// init is not made yet is there, and can't be read.
func ChildrenElsewhere() (elsewhere, known bool) {
	const children = "/proc/thread-self/ns/pid_for_children"
	own, err := os.Readlink("/proc/thread-self/ns/pid")
	theirs, cerr := os.Readlink(children)
	if err == nil && errors.Is(cerr, os.ErrNotExist) {
		_, lerr := os.Lstat(children)
		return lerr == nil, lerr == nil
	}
	known = err == nil && cerr == nil
	return known && own != theirs, known
}

// onOtherThread calls f on another thread than that of a goroutine that is locked to
// its own.
func onOtherThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// filters are the filters of a thread, as far as /proc shows them.
type filters struct{ mode, count int }

// threadFilters are those of the calling thread. The number is -1 where it can't be
// known, as before Linux 5.9.
func threadFilters() (f filters) {
	const status = "/proc/thread-self/status"
	var ok bool
	if f.mode, ok = Number(status, "Seccomp"); !ok {
		return filters{-1, -1}
	}
	if f.count, ok = Number(status, "Seccomp_filters"); !ok && f.mode != 0 {
		f.count = -1
	}
	return f
}

// seccompMode is 0 without filters and 2 with.
func seccompMode() int {
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil || mode < 0 || mode > 2 {
		return 0
	}
	return mode
}
