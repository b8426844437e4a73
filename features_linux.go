//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// features is what this kernel has.
type features struct {
	clone3       bool
	cgroup       bool
	closeRange   bool
	pidfd        bool
	pidfdInfo    bool
	waitid       bool
	sharedMemory bool
}

var (
	probeOnce sync.Once
	probed    atomic.Pointer[features] // tests store others
)

func currentFeatures() features {
	probeOnce.Do(func() {
		f := probe()
		probed.Store(&f)
	})
	return *probed.Load()
}

func featureSet() FeatureSet {
	f := currentFeatures()
	return FeatureSet{
		{"engine", true, "", "children are made by clone with shared memory"},
		{"clone3", f.clone3, "5.5", "without: clone, and handlers are reset one by one"},
		{"cgroup", f.cgroup, "5.7", "born in a cgroup; without: moved there before execve"},
		{"close_range", f.closeRange, "5.9", "without: the cost of a spawn grows with the number of open files"},
		{"pidfd", f.pidfd, "5.4", "without: a thread waits for each child"},
		{"pidfd_info", f.pidfdInfo, "6.15", "the status is found also when somebody else has waited"},
		{"shared_memory", f.sharedMemory, "", "without (emulators): memory is copied and failures come by pipe"},
	}
}

// probe makes children that only store their group id and exit.
func probe() features {
	var f features
	f.closeRange = unix.CloseRange(lastFD>>1, lastFD>>1, 0) == nil
	legacy := []bool{false, true}
	for _, l := range legacy {
		if p, ok := probeClone(l, unix.CLONE_PIDFD); ok {
			p.clone3, p.closeRange, p.waitid = !l, f.closeRange, true
			f = p
			break
		}
		if p, ok := probeClone(l, 0); ok {
			p.clone3, p.closeRange, p.waitid = !l, f.closeRange, true
			f = p
			break
		}
	}
	f.cgroup = f.clone3 && probeCgroup()
	return f
}

// probeClone tries to make a child; ok is false when the call is refused. A
// program that counts its children's ends is not told of this one.
func probeClone(legacy bool, flags uint64) (f features, ok bool) {
	var b raw.Builder
	v := b.Var()
	b.Step("probe", -1, "")
	b.Call(0, raw.Getpgid, raw.Int(0)).Keep(v)
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	const unset = ^uint64(0) // no group: that is 0 where the pid namespace has it not
	r.Set(v, unset)
	flags |= unix.CLONE_VM | unix.CLONE_VFORK
	if !legacy {
		flags |= unix.CLONE_CLEAR_SIGHAND
	}
	pid, err := r.Start(raw.Clone{Flags: flags, Legacy: legacy, ErrFD: -1, Silent: true})
	if err != 0 {
		return features{}, false
	}
	f.sharedMemory = r.Get(v) != unset
	var x raw.Exit
	if fd := r.Pidfd(); fd >= 0 {
		sent := unix.PidfdSendSignal(fd, 0, nil, 0)
		waited := raw.Waitid(unix.P_PIDFD, fd, unix.WEXITED|unix.WALL, &x)
		// Some other goroutine may wait for all children.
		f.pidfd = (sent == nil || sent == unix.ESRCH) && (waited == 0 || waited == unix.ECHILD)
		_, f.pidfdInfo = raw.PidfdExit(fd, 0)
		unix.Close(fd)
	}
	if x.PID == 0 {
		raw.Waitid(unix.P_PID, pid, unix.WEXITED|unix.WALL, &x)
	}
	return f, true
}

// probeCgroup asks for a cgroup that can't be: a kernel that knows the flag looks
// at the descriptor and finds it bad, an older one doesn't get as far.
func probeCgroup() bool {
	var b raw.Builder
	b.Step("probe", -1, "")
	b.Call(0, raw.ExitGroup, raw.Int(0))
	r := raw.NewRun(b.Build())
	defer r.Free()
	_, err := r.Start(raw.Clone{
		Flags:  unix.CLONE_VM | unix.CLONE_VFORK | unix.CLONE_INTO_CGROUP,
		Cgroup: 1<<31 - 1,
		ErrFD:  -1,
		Silent: true,
	})
	return err == unix.EBADF
}
