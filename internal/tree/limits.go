package tree

import (
	"fmt"
	"syscall"
)

// Limits bound what a tree may use. Zero is no limit.
type Limits struct {
	Memory, Swap int64 // bytes; a negative Swap is none at all
	Procs        int
	CPU          float64 // processors
	IOWeight     int
	OOMGroup     bool
	Strict       bool // an error where a descendant could leave the tree
}

// any reports whether there is a limit.
func (l *Limits) any() bool {
	return l.Memory != 0 || l.Swap != 0 || l.Procs != 0 || l.CPU != 0 || l.IOWeight != 0 || l.OOMGroup
}

// check finds values that make no sense.
func (l *Limits) check() error {
	for _, v := range []struct {
		name string
		bad  bool
	}{
		{"Memory", l.Memory < 0},
		{"Procs", l.Procs < 0},
		{"CPU", !(l.CPU >= 0 && l.CPU <= maxCPU)}, // which NaN is not, either
		{"IOWeight", l.IOWeight < 0 || l.IOWeight > maxWeight},
	} {
		if v.bad {
			return fmt.Errorf("spawn: Limits.%s is out of range: %w", v.name, syscall.EINVAL)
		}
	}
	return nil
}

// The largest values.
const (
	maxCPU    = 1 << 20
	maxWeight = 10000
)
