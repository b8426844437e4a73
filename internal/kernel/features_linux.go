//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

// Package kernel knows what this kernel has: found by doing, not by looking at its
// version.
package kernel

import (
	"errors"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// Features is what this kernel has.
type Features struct {
	Clone3       bool
	Cgroup       bool
	CloseRange   bool
	Pidfd        bool
	PidfdInfo    bool
	SharedMemory bool
	ExecSeen     bool // execve of a child that is not in vfork is seen: in its memory, and in /proc
	Waitid       bool
}

// and is what both have.
func (f Features) and(g Features) Features {
	return Features{
		f.Clone3 && g.Clone3, f.Cgroup && g.Cgroup, f.CloseRange && g.CloseRange, f.Pidfd && g.Pidfd,
		f.PidfdInfo && g.PidfdInfo, f.SharedMemory && g.SharedMemory, f.ExecSeen && g.ExecSeen,
		f.Waitid && g.Waitid,
	}
}

// everything is what is hoped for where nothing could be found out.
var everything = Features{true, true, true, true, true, true, true, true}

// Findings is what is known of the kernel by now. A filter that is newer may have
// taken away some of it, on all threads or on one: what one of them is refused none
// uses any more.
type Findings struct {
	Features
	Generation int           // counts how often the features have changed
	guess      bool          // a shortage kept something from being found out
	Failed     syscall.Errno // it kept all of it from being so
	filters    filters       // of the thread that probed last
	seen       []filters     // of all threads that have probed
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

// Here is what is known to hold for the calling thread, as far as /proc shows its filters.
func Here() *Findings {
	doubt := func(f *Findings) bool { return f == nil || f.guess || !f.hold(f.threadFilters()) }
	if f := Known(); !doubt(f) {
		return f
	}
	return find(doubt)
}

// FindAgain probes again where the calling thread has other filters than the one
// that did so last.
func FindAgain() {
	find(func(f *Findings) bool { return f == nil || f.filters.count < 0 || f.filters != f.threadFilters() })
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
	WithOwnChildren(func() { f = probe() })
	if was != nil {
		f.Generation, f.seen = was.Generation, slices.Clone(was.seen)
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
	if !f.guess && !slices.Contains(f.seen, f.filters) {
		f.seen = append(f.seen, f.filters)
	}
	probed.Store(f)
	return f
}

// WithOwnChildren calls f on a thread whose children are in the pid namespace of this
// process. A child that is only tried would be the init of another.
func WithOwnChildren(f func()) {
	if maybeElsewhere() {
		onOtherThread(f)
	} else {
		f()
	}
}

// maybeElsewhere reports whether children of the calling thread may be in another pid
// namespace than it: the first would be its init, and no other could be made after its
// end. Filters are looked at on their own thread where /proc does not tell.
func maybeElsewhere() bool {
	elsewhere, known := ChildrenElsewhere()
	return elsewhere || !known && probed.Load().mode() == 0
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

// filters are the filters of a thread. The number is -1 where /proc does not tell, as
// before Linux 5.9.
type filters struct{ mode, count int }

// hold reports whether what was found holds for a thread with these filters.
func (f *Findings) hold(x filters) bool {
	return slices.ContainsFunc(f.seen, func(y filters) bool { return x == y || x.count < 0 && x.mode == y.mode })
}

// threadFilters are those of the calling thread.
func (f *Findings) threadFilters() filters {
	if mode := f.mode(); mode != 0 {
		return filters{mode, inStatus("Seccomp_filters")}
	}
	return filters{}
}

// inStatus is what /proc says of the calling thread; -1 where it does not.
func inStatus(name string) int {
	n := -1
	raw.ReadQuickly("/proc/thread-self/status", func(text []byte) {
		if said, ok := number(text, name); ok {
			n = said
		}
	})
	return n
}

// mode is the mode of seccomp of the calling thread: 0 without filters and 2 with. Only
// a filter forbids to ask for it.
func (f *Findings) mode() int {
	if f != nil && f.noPrctl {
		return unix.SECCOMP_MODE_FILTER
	}
	mode, err := unix.PrctlRetInt(unix.PR_GET_SECCOMP, 0, 0, 0, 0)
	if err != nil || mode < 0 || mode > 2 {
		return 0
	}
	return mode
}
