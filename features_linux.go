//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"sync/atomic"

	"github.com/safespawn/spawn/internal/kernel"
)

func featureSet() FeatureSet {
	f := kernel.Here()
	return FeatureSet{
		{"engine", true, "", "children are made by clone with shared memory"},
		{"clone3", f.Clone3, "5.5", "without: clone, and handlers are reset one by one"},
		{"cgroup", f.Cgroup, "5.7", "born in a cgroup; without: moved there before execve"},
		{"close_range", f.CloseRange, "5.9", "without: the cost of a spawn grows with the number of open files"},
		{"pidfd", f.Pidfd, "5.4", "without: a thread waits for each child"},
		{"pidfd_info", f.PidfdInfo, "6.15", "the status is found also when somebody else has waited"},
		{"waitid", f.Waitid, "", "without (filters): wait4, and looks at /proc again and again"},
		{"shared_memory", f.SharedMemory, "", "without (emulators): memory is copied and failures come by pipe"},
	}
}

var warned [3]atomic.Bool

// warnOnce logs what this kernel lacks and what that costs, once a process.
func (p *Program) warnOnce() {
	f := p.program.Features()
	for i, w := range []struct {
		missing bool
		what    string
	}{
		{!f.CloseRange, "no close_range: a spawn's cost grows with the number of open files"},
		{!f.Pidfd, "no pidfd: each child that is waited for holds a thread"},
		{!kernel.Current().SharedMemory, "memory is not shared over clone: it is copied, and failures come by pipe"},
	} {
		if w.missing && !warned[i].Swap(true) {
			p.warn(w.what)
		}
	}
}
