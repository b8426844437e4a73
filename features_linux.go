//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// features is what this kernel has.
type features struct {
	clone3       bool
	cgroup       bool
	closeRange   bool
	pidfd        bool
	pidfdInfo    bool
	sharedMemory bool
	waitid       bool
}

// and is what both have.
func (f features) and(g features) features {
	return features{
		f.clone3 && g.clone3, f.cgroup && g.cgroup, f.closeRange && g.closeRange, f.pidfd && g.pidfd,
		f.pidfdInfo && g.pidfdInfo, f.sharedMemory && g.sharedMemory, f.waitid && g.waitid,
	}
}

// everything is what is hoped for where nothing could be found out.
var everything = features{true, true, true, true, true, true, true}

// findings is what is known of the kernel by now. A filter that is newer may have
// taken away some of it, on all threads or on one: what one of them is refused none
// uses any more.
type findings struct {
	features
	generation int           // counts how often the features have changed
	guess      bool          // a shortage kept something from being found out
	failed     syscall.Errno // it kept all of it from being so
	filters    filters       // of the thread that probed last
	modes      [3]bool       // modes of seccomp of all threads that have probed
	noPrctl    bool          // prctl must not be called
}

var (
	probing sync.Mutex
	probed  atomic.Pointer[findings] // tests store others
)

// known is what is known, for sure or not.
func known() *findings {
	if f := probed.Load(); f != nil {
		return f
	}
	return find(func(was *findings) bool { return was == nil })
}

func currentFeatures() features { return known().features }

// knownHere is what is known to hold for the calling thread, as far as that can be
// seen at next to no cost.
func knownHere() *findings {
	doubt := func(f *findings) bool { return f == nil || f.guess || !f.noPrctl && !f.modes[seccompMode()] }
	if f := known(); !doubt(f) {
		return f
	}
	return find(doubt)
}

// findAgain probes again where the calling thread has other filters than the one
// that did so last.
func findAgain() {
	find(func(f *findings) bool { return f == nil || f.filters.count < 0 || f.filters != threadFilters() })
}

// find probes, unless somebody else has done so meanwhile.
func find(doubt func(*findings) bool) *findings {
	probing.Lock()
	defer probing.Unlock()
	was := probed.Load()
	if !doubt(was) {
		return was
	}
	var f *findings
	mode := 0
	look := func() { f, mode = probe(), seccompMode() }
	if maybeElsewhere() {
		onOtherThread(look)
	} else {
		look()
	}
	if was != nil {
		f.generation, f.modes = was.generation, was.modes
		if !was.guess {
			f.features = f.and(was.features)
		}
		if f.guess && !was.guess {
			return was // which was found out at a better time
		}
		if f.features != was.features {
			f.generation++
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
	own, err := os.Readlink("/proc/thread-self/ns/pid")
	theirs, cerr := os.Readlink("/proc/thread-self/ns/pid_for_children")
	if err != nil || cerr != nil {
		return seccompMode() == 0
	}
	return own != theirs
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
	if f.mode, ok = procNumber(status, "Seccomp"); !ok {
		return filters{-1, -1}
	}
	if f.count, ok = procNumber(status, "Seccomp_filters"); !ok && f.mode != 0 {
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

func featureSet() FeatureSet {
	f := knownHere()
	return FeatureSet{
		{"engine", true, "", "children are made by clone with shared memory"},
		{"clone3", f.clone3, "5.5", "without: clone, and handlers are reset one by one"},
		{"cgroup", f.cgroup, "5.7", "born in a cgroup; without: moved there before execve"},
		{"close_range", f.closeRange, "5.9", "without: the cost of a spawn grows with the number of open files"},
		{"pidfd", f.pidfd, "5.4", "without: a thread waits for each child"},
		{"pidfd_info", f.pidfdInfo, "6.15", "the status is found also when somebody else has waited"},
		{"waitid", f.waitid, "", "without (filters): wait4, and looks at /proc again and again"},
		{"shared_memory", f.sharedMemory, "", "without (emulators): memory is copied and failures come by pipe"},
	}
}
