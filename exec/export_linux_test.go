//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import "os"

// HasOwnVector reports whether Start takes a process for one that has this process's memory,
// where kcmp is refused.
func HasOwnVector(p *os.Process) bool { return (&child{process: p}).hasOwnVector() }

// FromBackground calls f in a thread that SIGTTOU doesn't stop.
var FromBackground = fromBackground

// StopPoll is how often a child in the foreground is asked whether it was stopped.
const StopPoll = stopPoll

// ForceForeignOS has package os make each process, as where its types are not as
// expected, until the function that it returns is called.
func ForceForeignOS() (restore func()) {
	was := knowsOS
	knowsOS = func() bool { return false }
	return func() { knowsOS = was }
}

// Parked reports whether somebody waits by a pidfd.
func Parked(pidfd int) bool {
	ends.mu.Lock()
	defer ends.mu.Unlock()
	for _, w := range ends.waiting {
		if w.pidfd == pidfd {
			return true
		}
	}
	return false
}

// FailParked has those who wait by a pidfd find another way to wait, as where its number is
// somebody else's.
func FailParked(pidfd int) {
	ends.mu.Lock()
	defer ends.mu.Unlock()
	ends.fail(func(w *endWaiter) bool { return w.pidfd == pidfd })
}
