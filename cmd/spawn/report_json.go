package main

import (
	"github.com/safespawn/spawn"
)

// usageReport is --stats=json.
type usageReport struct {
	endEvent
	User      *float64    `json:"user_seconds,omitempty"`
	System    *float64    `json:"system_seconds,omitempty"`
	Peak      int64       `json:"peak_memory_bytes,omitempty"` // the program's own
	PeakSeen  int64       `json:"peak_memory_seen_bytes,omitempty"`
	MaxRSS    int64       `json:"max_rss_bytes,omitempty"` // with spawn's own
	Voluntary *int64      `json:"voluntary_context_switches,omitempty"`
	Forced    *int64      `json:"involuntary_context_switches,omitempty"`
	CgroupMax int64       `json:"cgroup_peak_bytes,omitempty"`
	Tree      *treeReport `json:"tree,omitempty"`
}

// treeReport is what the whole tree has used.
type treeReport struct {
	User       float64  `json:"user_seconds"`
	System     float64  `json:"system_seconds"`
	Throttled  float64  `json:"throttled_seconds,omitempty"`
	MemoryPeak int64    `json:"memory_peak_bytes,omitempty"`
	ProcsPeak  int      `json:"most_processes,omitempty"`
	OOMKills   int      `json:"oom_kills,omitempty"`
	Read       int64    `json:"read_bytes,omitempty"`
	Written    int64    `json:"written_bytes,omitempty"`
	Missing    []string `json:"missing,omitempty"` // what nobody has counted
}

// report is what --stats prints.
func (e *ending) report(f format) string {
	if f == asJSON {
		return string(jsonLine(e.usage()))
	}
	return e.stats()
}

// usage is what the program has used.
func (e *ending) usage() *usageReport {
	r := &usageReport{endEvent: e.event(), MaxRSS: e.state.MaxRSS(), CgroupMax: e.group, Tree: treeUsage(e.tree)}
	u := e.state.Rusage()
	if u == nil {
		return r
	}
	user, system := e.state.UserTime().Seconds(), e.state.SystemTime().Seconds()
	r.User, r.System = &user, &system
	if voluntary, forced, ok := contextSwitches(u); ok {
		r.Voluntary, r.Forced = &voluntary, &forced
	}
	if peak, ok := e.state.PeakRSS(); ok {
		r.Peak = peak
	} else if e.seen >= leastPeak {
		r.PeakSeen = e.seen
	}
	return r
}

func treeUsage(u *spawn.Usage) *treeReport {
	if u == nil {
		return nil
	}
	return &treeReport{u.User.Seconds(), u.System.Seconds(), u.Throttled.Seconds(), u.MemoryPeak, u.ProcsPeak, u.OOMKills, u.Read, u.Written, u.Missing}
}
