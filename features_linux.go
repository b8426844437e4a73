//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import "github.com/safespawn/spawn/internal/kernel"

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
