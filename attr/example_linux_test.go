//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/lookup"
)

// output runs a script of the shell and prints what it does.
func output(script string, list attr.List) {
	s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", script}, Attr: list}
	s.Actions.File(os.Stdout, 1)
	if _, err := spawn.Run(context.Background(), s); err != nil {
		log.Fatal(err)
	}
}

// These attributes set the session, the process group, the signals and the file
// mode creation mask.
func Example_process() {
	list := attr.List{
		attr.Setsid{}, // or attr.Setpgid{} for a process group
		attr.Umask(0o027),
		attr.InheritIgnored{},           // what this process ignores stays ignored, as with os/exec
		attr.SigDefault{syscall.SIGHUP}, // but for this one
		attr.SigIgnore{syscall.SIGPIPE},
		attr.SigMask{syscall.SIGUSR1},
		attr.ParentDeathSignal(syscall.SIGTERM),
		attr.ChildSubreaper{},
	}
	_ = attr.List{
		attr.DieWithParent{}, // all descendants as well, and also when this process is killed
	}
	output("umask; kill -USR1 $$; kill -PIPE $$; echo still here", list)
	// Output:
	// 0027
	// still here
}

// These attributes set when, where and how urgently the program runs.
func Example_scheduling() {
	list := attr.List{
		attr.Nice(10),
		attr.SchedPolicy{Policy: attr.SchedBatch, ResetOnFork: true},
		attr.CPUAffinity{0, 1},
		attr.IOPrio{Class: attr.IOPrioIdle},
		attr.NUMAPolicy{Mode: attr.NUMALocal},
		attr.TimerSlack(50 * time.Millisecond),
		attr.OOMScoreAdj(500),
	}
	output("nice; cat /proc/self/oom_score_adj", list)
	// Output:
	// 10
	// 500
}

// compiles checks attributes that need privilege, or a kernel that has them.
func compiles(list ...attr.Attr) {
	if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: list}); err != nil {
		fmt.Println(err)
	}
}

// These policies are for programs with deadlines.
func Example_realTime() {
	compiles(
		attr.SchedPolicy{Policy: attr.SchedFIFO, Priority: 10},
	)
	compiles(
		attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: time.Millisecond, Deadline: 10 * time.Millisecond},
	)
	compiles(
		attr.SchedPolicy{UtilMin: 128, UtilMax: 512},
		attr.NUMAPolicy{Mode: attr.NUMAInterleave, Nodes: []int{0, 1}},
		attr.CoreSched{},
	)
	// Output:
}

// The units of limits are those of getrlimit(2).
func Example_limits() {
	list := attr.List{
		attr.Rlimit{Resource: attr.ResourceCore, Soft: 0, Hard: attr.Unlimited},
		attr.Rlimit{Resource: attr.ResourceCPU, Soft: 60, Hard: 90},
		attr.RlimitToHard(attr.ResourceStack),
		attr.NoFile{Soft: 256, Hard: 512}, // or attr.NoFilePolicy: attr.NoFileOriginal, attr.NoFileCurrent
	}
	output("ulimit -c; ulimit -t; ulimit -n", list)
	// Output:
	// 0
	// 60
	// 256
}

// The program runs as another user, with the user's groups and environment.
func Example_lookup() {
	user, err := lookup.Credential("nobody")
	if err != nil {
		log.Fatal(err)
	}
	env, err := lookup.Env("nobody")
	if err != nil {
		log.Fatal(err)
	}
	s := &spawn.Spec{Path: "/bin/true", Env: env, Attr: attr.List{user}}
	if _, err := spawn.Compile(s); err != nil {
		log.Fatal(err)
	}
	// Output:
}

// These attributes take ids and capabilities.
func Example_identity() {
	compiles(
		attr.Credential{UID: 1000, GID: 1000, Groups: []uint32{1000, 27}},
		attr.OnlyCapabilities(attr.CapNetBindService), // or attr.NoCapabilities()
		attr.SecureBits(3), // SECBIT_NOROOT and its lock
		attr.NoNewPrivs{},
	)
	compiles(
		attr.IDs{RUID: attr.KeepID, EUID: 1000, RGID: attr.KeepID, EGID: 1000, KeepGroups: true},
		attr.AmbientCaps{attr.CapNetRaw},
	)
	compiles(
		attr.Credential{UID: 1000, Root: true}, // an id of 0, here the gid, has to be meant
	)
	compiles(
		attr.ResetIDs{},
		attr.Capabilities{Bounding: []attr.Capability{attr.CapChown}, Inheritable: []attr.Capability{}},
	)
	// Output:
}

// These attributes are left out if the system refuses them.
func Example_optional() {
	compiles(
		attr.NoNewPrivs{},
		attr.Optional(attr.Nice(-5)),
		attr.Optional(attr.IOPrio{Class: attr.IOPrioRealTime}),
		attr.Optional(attr.Landlock{FD: attr.FD(3)}), // needs attr.NoNewPrivs, so that only the kernel can be the reason
	)
	p, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Optional(attr.Nice(19))}})
	if err != nil {
		log.Fatal(err)
	}
	for _, a := range p.Applied() {
		if !a.Done {
			log.Print(a.Err) // spawn /bin/true: nice -5: permission denied (needs CAP_SYS_NICE, or RLIMIT_NICE)
		}
	}
	_ = p.Release()
	// Output:
}

// The program begins only after somebody has looked at how it will run. There is no
// CPU 65535 here, so it is killed instead.
func ExampleOptional() {
	ctx := context.Background()
	p, err := spawn.Start(ctx, &spawn.Spec{
		Path: "/bin/sh", Args: []string{"sh", "-c", "echo it runs"},
		Attr: attr.List{attr.StartSuspended{}, attr.Optional(attr.Nice(19)), attr.Optional(attr.CPUAffinity{65535})},
	})
	if err != nil {
		log.Fatal(err)
	}
	next := p.Kill
	for _, a := range p.Applied() {
		fmt.Println(a.Step, a.Done)
		if a.Done && a.Step == spawn.StepAffinity {
			next = func() error { return p.Signal(syscall.SIGCONT) }
		}
	}
	if err := next(); err != nil {
		log.Fatal(err)
	}
	state, err := p.Wait(ctx)
	fmt.Println(state, err)
	// Output:
	// nice true
	// affinity false
	// signal: killed <nil>
}

// These attributes are for debuggers, core dumps and the memory.
func Example_debugging() {
	compiles(
		attr.StartSuspended{}, // until it gets SIGCONT
		attr.CoredumpFilter(attr.DumpAnonPrivate|attr.DumpELFHeaders),
		attr.MemoryDenyWriteExec{},
		attr.NoHugePages{}, // or attr.MergePages
	)
	// Output:
}

// A label needs a system with its security module.
func Example_label() {
	for _, label := range []attr.Attr{
		attr.SELinuxContext("system_u:system_r:crond_t:s0"),
		attr.AppArmorProfile("parser"),
	} {
		if _, err := spawn.Compile(&spawn.Spec{Path: "/bin/true", Attr: attr.List{label}}); errors.Is(err, errors.ErrUnsupported) {
			continue // an error of Compile, where the module is not active
		}
	}
	// Output:
}

// The program has everything of its own, like in a container.
func Example_container() {
	cgroup, err := os.Open("/sys/fs/cgroup")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	defer cgroup.Close()
	compiles(
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWUTS},
		attr.IDMap{
			UID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GID: []attr.IDMapEntry{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		},
		attr.Unshare{Flags: unix.CLONE_NEWNET | unix.CLONE_NEWTIME},
		attr.Mounts{
			{Source: "/srv/box", Target: "/srv/box", Flags: unix.MS_BIND | unix.MS_REC},
			{Source: "proc", Target: "/srv/box/proc", FSType: "proc", Flags: unix.MS_NOSUID | unix.MS_NODEV},
		},
		attr.PivotRoot("/srv/box"),                 // or attr.Chroot
		attr.TimeOffsets{Boottime: 24 * time.Hour}, // with CLONE_NEWTIME
		attr.Hostname("box"),
		attr.Domainname("example"),
		attr.Loopback{}, // of CLONE_NEWNET
		attr.SessionKeyring(""),
		attr.Cgroup{Dir: cgroup},
	)
	// Output:
}

// The child sees nothing but what is named here, and needs no privilege for that.
func ExampleNewRoot() {
	compiles(
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS},
		attr.MapSelf(),
		attr.NewRoot{ // all that the program sees
			{Path: "/usr", Bind: "/usr"},
			{Path: "/lib64", Symlink: "usr/lib64"},
			{Path: "/tmp", FSType: "tmpfs", Data: "mode=1777"},
			{Path: "/srv/data", Bind: "/srv/data", Writable: true},
		},
	)
	// Output:
}

// The child may read the /proc that it mounts itself, which is not there before.
func ExampleLandlockRules() {
	rules, err := attr.NewLandlock(attr.LandlockRules{Execute: []string{"/usr"}, Read: []string{"/proc"}, InChild: true, BestEffort: true})
	if err != nil {
		log.Fatal(err)
	}
	defer rules.Close()
	compiles(
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID},
		attr.MapRoot(),
		attr.Mounts{{Source: "proc", Target: "/proc", FSType: "proc"}},
		attr.NoNewPrivs{},
		rules.Attr(),
	)
	// Output:
}

// The child has a network of its own, in which it can talk to itself alone.
func ExampleLoopback() {
	compiles(
		attr.Namespaces{Flags: unix.CLONE_NEWUSER | unix.CLONE_NEWNET},
		attr.MapSelf(),
		attr.Loopback{},
	)
	// Output:
}

// The child enters the namespaces of another process.
func Example_join() {
	pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		log.Fatal(err)
	}
	process := os.NewFile(uintptr(pidfd), "pidfd")
	defer process.Close()
	netns, err := os.Open("/proc/self/ns/net")
	if err != nil {
		log.Fatal(err)
	}
	defer netns.Close()
	compiles(
		attr.JoinNamespace{File: netns, Types: unix.CLONE_NEWNET},
		attr.JoinNamespace{File: process, Types: unix.CLONE_NEWNS | unix.CLONE_NEWUTS}, // a pidfd
		attr.Chroot("/"),
	)
	// Output:
}

// The child gets a terminal for its session.
func Example_terminal() {
	tty, err := os.Open("/dev/ptmx")
	if err != nil {
		log.Fatal(err)
	}
	defer tty.Close()
	compiles(
		attr.Setsid{},
		attr.ControllingTTY{File: tty}, // or attr.ControllingTTY{FD: attr.FD(0)}
	)
	compiles(
		attr.DetachTTY{},
	)
	compiles(
		attr.Setpgid{},
		attr.Foreground{File: tty},
		attr.Ptrace{},
	)
	// Output:
}

// A program that was changed is not run: neither before it is compiled nor afterwards.
func Example_digest() {
	program, err := os.ReadFile("/bin/sh")
	if err != nil {
		log.Fatal(err)
	}
	sum := sha256.Sum256(program)
	output("echo verified", attr.List{
		attr.Digest{SHA256: sum},
	})
	// Output: verified
}
