package cgroup

import "time"

// Usage is what the processes of a group, and of those below it, have used.
type Usage struct {
	MemoryPeak    int64
	User, System  time.Duration
	Throttled     time.Duration
	ProcsPeak     int
	Read, Written int64
	OOMKills      int
	Missing       []string
}
