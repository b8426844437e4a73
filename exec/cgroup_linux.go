//go:build (amd64 || arm64) && !android && !spawn_forkexec

package exec

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/safespawn/spawn"
)

// Features is spawn.Features, and:
//
//	tree_cgroup    a control group can be made for Tree; else what leaves the process group escapes
func Features() spawn.FeatureSet {
	return append(spawn.Features(), spawn.Feature{
		Name: "tree_cgroup", Available: canMakeCgroup(), Since: "5.7",
		Use: "Tree holds all descendants; without: those that leave the process group escape",
	})
}

// cgroup is a control group that is made for one tree.
type cgroup struct {
	path string
	dir  *os.File
}

var cgroups atomic.Uint64

// newCgroup makes a control group below this process's. It returns nil where
// that can't be.
func newCgroup() *cgroup {
	if !canMakeCgroup() {
		return nil
	}
	return makeCgroup(ownCgroup())
}

func makeCgroup(parent string) *cgroup {
	name := "spawn-" + strconv.Itoa(os.Getpid()) + "-" + strconv.FormatUint(cgroups.Add(1), 10)
	g := &cgroup{path: filepath.Join(parent, name)}
	if os.Mkdir(g.path, 0o755) != nil {
		return nil
	}
	dir, err := os.OpenFile(g.path, os.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != nil {
		g.remove()
		return nil
	}
	g.dir = dir
	return g
}

// canMakeCgroup reports whether a control group could be made, once.
var canMakeCgroup = sync.OnceValue(func() bool {
	parent := ownCgroup()
	if parent == "" {
		return false
	}
	g := makeCgroup(parent)
	if g == nil {
		return false
	}
	g.remove()
	return true
})

// ownCgroup is the directory of the version 2 control group that this process is
// in; empty if there is none or it is not mounted.
func ownCgroup() string {
	list, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(list)) {
		if path, ok := strings.CutPrefix(line, "0::"); ok {
			return underMount(strings.TrimSuffix(path, "\n"))
		}
	}
	return ""
}

// underMount finds a control group in the file system.
func underMount(path string) string {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(mounts)) {
		// ID PARENT DEVICE ROOT POINT OPTIONS... - TYPE SOURCE OPTIONS
		mount, fs, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(fs, "cgroup2 ") || len(fields) < 5 || strings.Contains(fields[4], `\`) {
			continue
		}
		if rel, err := filepath.Rel(fields[3], path); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.Join(fields[4], rel)
		}
	}
	return ""
}

// kill kills all that are in the group, and reports whether it had any.
func (g *cgroup) kill() bool {
	if g.empty() {
		return false
	}
	if os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0) == nil {
		return true
	}
	// Before Linux 5.14. What is forked meanwhile is found the next time.
	list, _ := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	for _, pid := range bytes.Fields(list) {
		if n, err := strconv.Atoi(string(pid)); err == nil && n > 0 {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	}
	return true
}

// empty reports whether there is no process in the group, but for zombies.
func (g *cgroup) empty() bool {
	events, err := os.ReadFile(filepath.Join(g.path, "cgroup.events"))
	return err != nil || bytes.Contains(events, []byte("populated 0"))
}

// end kills until nothing is left, and removes the group.
func (g *cgroup) end() {
	await(goneTime, func() bool { return !g.kill() })
	g.remove()
}

func (g *cgroup) remove() {
	if g.dir != nil {
		g.dir.Close()
	}
	_ = os.Remove(g.path) // some process may be stuck in it
}
