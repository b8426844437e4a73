//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

const combinedScenario = "combined" // GiB

// combinedBlock is how many spawns a block has: each makes and ends seven
// namespaces, which takes the kernel far longer than a spawn.
const combinedBlock = 20

const combinedNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWNET |
	unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// runCombined has a Spec of nearly all attributes started by parents with heaps
// of different sizes.
func (b *bench) runCombined() error {
	path, err := makeRoot(b.path("root"), b.programs.tiny)
	if err != nil {
		return err
	}
	cgroup, remove := makeCgroup()
	if cgroup == "" {
		b.skip("%s: attr.Cgroup, as no cgroup v2 can be made", combinedScenario)
	}
	defer remove()
	if r, err := attr.NewLandlock(attr.LandlockRules{}); err != nil {
		b.skip("%s: some of Landlock: %v", combinedScenario, err)
	} else {
		r.Close()
	}
	peers, err := b.startHeaps()
	defer peers.stop()
	if err != nil {
		return err
	}
	var all []*series
	for _, h := range peers {
		if _, err := h.ask("cgroup", cgroup); err != nil {
			return err
		}
		one := job{kind: "inherit", path: path, n: 1, spawners: 1}
		if _, err := h.run(goCombined.id, one); err != nil {
			fmt.Fprintln(b.log, err)
			b.skip("%s: it can't be started here", combinedScenario)
			return nil
		}
		these := b.sweep(combinedScenario, float64(h.gib), h.peer, "inherit", goCombined, goRun, goExec)
		for _, s := range these {
			s.job.n = min(s.job.n, combinedBlock)
		}
		these[0].job.path = path
		all = append(all, these...)
	}
	return b.runRounds(b.size.sweepRounds, all)
}

// makeRoot makes a root directory with a program, whose path it returns.
func makeRoot(dir, program string) (string, error) {
	for _, name := range []string{"proc", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, "program")
	image, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, image, 0o755)
}

// makeCgroup makes a cgroup, if it can, and returns what removes it.
func makeCgroup() (dir string, remove func()) {
	for _, mount := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if _, err := os.Stat(mount + "/cgroup.controllers"); err != nil {
			continue
		}
		dir, err := os.MkdirTemp(mount, "spawn-bench-")
		if err != nil {
			break
		}
		return dir, func() {
			for range 100 { // until the kernel has noticed that it is empty
				if os.Remove(dir) == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
	return "", func() {}
}

// combinedSpawn starts the program of a root directory with nearly all attributes;
// the cgroup may be empty.
func combinedSpawn(path, cgroup string) (spawnFunc, error) {
	dir := filepath.Dir(path)
	ids := func(id int) []attr.IDMapEntry { return []attr.IDMapEntry{{HostID: id, Size: 1}} }
	ruleset, err := attr.NewLandlock(attr.LandlockRules{Read: []string{dir}, Write: []string{dir + "/tmp"}, Execute: []string{dir}, BestEffort: true})
	if err != nil {
		return nil, err
	}
	list := attr.List{
		attr.Namespaces{Flags: combinedNamespaces}, attr.IDMap{UID: ids(os.Getuid()), GID: ids(os.Getgid())},
		attr.Mounts{{FSType: "tmpfs", Target: dir + "/tmp"}, {FSType: "proc", Target: dir + "/proc"}}, attr.PivotRoot(dir),
		attr.Hostname("bench"), attr.Credential{KeepGroups: true, Root: true}, attr.NoCapabilities(), attr.SecureBits(0xef), attr.NoNewPrivs{},
		ruleset.Attr(), refuseUname(), attr.Nice(19), attr.SchedPolicy{}, attr.IOPrio{}, attr.TimerSlack(77_000), attr.OOMScoreAdj(500),
		attr.Umask(0o027), attr.Setsid{}, attr.SigMask{unix.SIGUSR1}, attr.SigIgnore{unix.SIGHUP}, attr.ParentDeathSignal(unix.SIGKILL),
		attr.ChildSubreaper{}, attr.PersonalityNoASLR,
	}
	for i := range 16 {
		var l unix.Rlimit
		if err := unix.Getrlimit(i, &l); err != nil {
			return nil, err
		}
		list = append(list, attr.Rlimit{Resource: attr.Resource(i), Soft: min(l.Cur, 1<<40), Hard: min(l.Max, 1<<40)})
	}
	if _, err := os.Stat("/proc/self/numa_maps"); err == nil {
		list = append(list, attr.NUMAPolicy{Mode: attr.NUMALocal})
	}
	if cgroup != "" {
		f, err := os.Open(cgroup)
		if err != nil {
			return nil, err
		}
		list = append(list, attr.Cgroup{Dir: f})
	}
	spec := &spawn.Spec{Path: "/program", Attr: list}
	return func() error { return check(spawn.Run(context.Background(), spec)) }, nil
}

// refuseUname is a small filter.
func refuseUname() attr.Seccomp {
	return attr.Seccomp{Filter: []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jt: 1, K: unix.SYS_UNAME},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EXDEV)},
	}}
}
