//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn

import "sync/atomic"

// featureSet has nothing: os.StartProcess uses what it uses by itself.
func featureSet() FeatureSet {
	return FeatureSet{
		{"engine", false, "", "without: children are made by os.StartProcess"},
		{"clone3", false, "5.5", "used by the engine"},
		{"cgroup", false, "5.7", "used by the engine"},
		{"close_range", false, "5.9", "used by the engine"},
		{"pidfd", false, "5.4", "used by the engine; without: a thread waits for each child"},
		{"pidfd_info", false, "6.15", "used by the engine"},
		{"waitid", false, "", "used by the engine"},
		{"shared_memory", false, "", "used by the engine"},
	}
}

var warned atomic.Bool

// warnOnce logs what the fallback costs, once a process.
func (p *Program) warnOnce() {
	if !warned.Swap(true) {
		p.warn("no clone engine: children are made by os.StartProcess, " +
			"ignored signals stay ignored in them, and each that is waited for holds a thread")
	}
}
