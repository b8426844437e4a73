//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import "os"

// DisregardOOM has starts not look at what the OOM killer may do.
func DisregardOOM() (restore func()) {
	was := lookAtRisks
	lookAtRisks = func(*os.File) oomRisk { return oomRisk{} }
	return func() { lookAtRisks = was }
}

// AssumeOOM has starts expect the worst of each cgroup, or that it limits memory.
func AssumeOOM(limited, group bool) (restore func()) {
	was := lookAtRisks
	lookAtRisks = func(*os.File) oomRisk { return oomRisk{limited, group} }
	return func() { lookAtRisks = was }
}

// RisksOf is what a start finds out about a cgroup.
func RisksOf(dir *os.File) (limited, group bool) {
	r := risksOf(dir)
	return r.limited, r.group
}
