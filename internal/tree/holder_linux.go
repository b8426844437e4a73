package tree

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/safespawn/spawn/internal/cgroup"
)

func newHolder(l *Limits) (holder, error) {
	g, err := cgroup.NewLimited(l.settings())
	if err != nil {
		return nil, err
	}
	return g, nil
}

// settings are the limits as files of a control group. Those that may fail are first.
func (l *Limits) settings() (list []cgroup.Setting) {
	add := func(file, format string, value any) {
		list = append(list, cgroup.Setting{File: file, Value: fmt.Sprintf(format, value)})
	}
	if l.Memory > 0 {
		add("memory.max", "%d", l.Memory)
	}
	if l.Swap != 0 {
		add("memory.swap.max", "%d", max(l.Swap, 0))
	}
	if l.OOMGroup {
		add("memory.oom.group", "%d", 1)
	}
	if l.Procs > 0 {
		add("pids.max", "%d", l.Procs)
	}
	if l.CPU > 0 {
		add("cpu.max", fmt.Sprintf("%%d %d", period), max(int64(l.CPU*period), leastQuota))
	}
	if l.IOWeight > 0 {
		add("io.weight", "default %d", l.IOWeight)
	}
	return list
}

// period is that of cpu.max in microseconds, and leastQuota what the kernel takes at
// least.
const (
	period     = 100000
	leastQuota = 1000
)

// Dir is the directory of the control group in which a child must be made; nil where
// there is none.
func (t *Tree) Dir() *os.File {
	if g, ok := t.holder.(*cgroup.Group); ok {
		return g.Dir()
	}
	return nil
}

// Delegate makes this process's control group one below which limits can be set.
func Delegate() error { return cgroup.Delegate() }

// MayLimit reports whether limits of memory, processes and CPU can be set now. about says
// which can, where, and why others can't.
func MayLimit() (ok bool, about string) {
	usable, dir, why := cgroup.Prospect()
	about = strings.Join(usable, " ")
	if dir != "" {
		about += " in " + dir
	}
	if why != "" {
		about += "; others: " + why
	}
	for _, name := range []string{"memory", "pids", "cpu"} {
		if !slices.Contains(usable, name) {
			return false, strings.TrimSpace(about)
		}
	}
	return true, about
}
