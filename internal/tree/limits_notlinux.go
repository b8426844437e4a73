//go:build !linux

package tree

import (
	"errors"
	"slices"

	"github.com/safespawn/spawn/internal/cgroup"
)

// unsupported is the error about the first limit that is set, where a system can't set those
// that are in files of control groups; nil where none is set. Without files it is about all.
func (l *Limits) unsupported(why string, files ...string) error {
	for _, set := range []struct {
		file, controller string
		is               bool
	}{
		{"memory.max", "memory", l.Memory != 0},
		{"memory.swap.max", "memory", l.Swap != 0},
		{"memory.oom.group", "memory", l.OOMGroup},
		{"pids.max", "pids", l.Procs != 0},
		{"cpu.max", "cpu", l.CPU != 0},
		{"io.weight", "io", l.IOWeight != 0},
	} {
		if set.is && (len(files) == 0 || slices.Contains(files, set.file)) {
			return &cgroup.LimitError{File: set.file, Controller: set.controller, Why: why, Err: errors.ErrUnsupported}
		}
	}
	return nil
}
