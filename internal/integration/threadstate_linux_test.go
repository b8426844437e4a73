//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// threadChanges are what a goroutine may do to its thread, which a child must have.
// All but the first few are beyond what can be compared from outside.
var threadChanges = map[string]func() error{
	"no new privileges": func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) },
	"nice":              func() error { return unix.Setpriority(unix.PRIO_PROCESS, 0, min(ownNice()+7, 19)) },
	"timer slack":       func() error { return unix.Prctl(unix.PR_SET_TIMERSLACK, 123456, 0, 0, 0) },
	"affinity": func() error {
		var set unix.CPUSet
		if err := unix.SchedGetaffinity(0, &set); err != nil {
			return err
		}
		for cpu := range 1024 {
			if set.IsSet(cpu) {
				set.Zero()
				set.Set(cpu)
				break
			}
		}
		return unix.SchedSetaffinity(0, &set)
	},
	"policy": func() error {
		return unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH, Nice: int32(ownNice())}, 0)
	},
	"umask and directory": func() error {
		err := unix.Unshare(unix.CLONE_FS)
		unix.Umask(0o031)
		if err == nil {
			err = unix.Chdir("/proc")
		}
		return err
	},
	"signal mask": func() error {
		set := raw.Sigset(1 << (unix.SIGUSR2 - 1))
		return unix.PthreadSigmask(unix.SIG_BLOCK, &set, nil)
	},
	"descriptors": func() error {
		if err := unix.Unshare(unix.CLONE_FILES); err != nil {
			return err
		}
		fd, err := unix.Open("/proc/version", unix.O_RDONLY, 0)
		if err != nil {
			return err
		}
		return unix.Dup2(fd, 0)
	},
	"personality": func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, 0x0040000, 0, 0) // ADDR_NO_RANDOMIZE
		return asErr(errno)
	},
	"I/O priority": func() error {
		_, _, errno := unix.RawSyscall(unix.SYS_IOPRIO_SET, 1, 0, 3<<13)
		return asErr(errno)
	},
	"second filter": func() error { return nestedFilter() },
	"landlock": func() error {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return err
		}
		r, err := attr.NewLandlock(attr.LandlockRules{Read: []string{"/"}, Execute: []string{"/"}, Write: []string{"/dev"}, BestEffort: true})
		if err != nil {
			return err
		}
		defer r.Close()
		conn, err := r.Attr().File.SyscallConn()
		if err != nil {
			return err
		}
		var errno unix.Errno
		err = conn.Control(func(fd uintptr) { _, _, errno = unix.RawSyscall(unix.SYS_LANDLOCK_RESTRICT_SELF, fd, 0, 0) })
		if errno != 0 {
			return errno
		}
		return err
	},
}

// ownNice is the nice value of the calling thread, which only privilege goes below.
func ownNice() int {
	n, _ := unix.Getpriority(unix.PRIO_PROCESS, 0) // never fails
	return 20 - n                                  // the system call returns it so
}

// rootsThreadChanges need privilege.
var rootsThreadChanges = map[string]func() error{
	"bounding set": func() error { return unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_SYS_TIME, 0, 0, 0) },
	"securebits":   func() error { return unix.Prctl(unix.PR_SET_SECUREBITS, 4, 0, 0, 0) },
	"groups":       func() error { return rawtest.SetGroups(4242) },
	"capabilities": func() error {
		h := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&h, &data[0]); err != nil {
			return err
		}
		data[0].Inheritable |= 1 << unix.CAP_KILL
		return unix.Capset(&h, &data[0])
	},
	"network": func() error { return unix.Unshare(unix.CLONE_NEWNET) },
	"host name": func() error {
		return unix.Unshare(unix.CLONE_NEWUTS)
	},
}

// unsharing are those of the changes that unshare makes.
var unsharing = []string{"umask and directory", "descriptors", "network", "host name"}

func asErr(errno unix.Errno) error {
	if errno == 0 {
		return nil
	}
	return errno
}

// nestedFilter gives the calling thread two filters that allow everything.
func nestedFilter() error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	allow := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}}
	for range 2 {
		if err := rawtest.AddFilter(allow); err != nil {
			return err
		}
	}
	return nil
}

// showThread prints what a program can see of what it got from a thread.
const showThread = `cat /proc/self/status | grep -vE '^(Pid|PPid|Tgid|NStgid|NSpid|NSpgid|SigQ|Vm|Rss|voluntary|nonvoluntary|FDSize)'
cat /proc/self/timerslack_ns /proc/self/personality /proc/self/cgroup
readlink /proc/self/cwd /proc/self/fd/0 /proc/self/ns/*
cut -d' ' -f19,40,41 </proc/self/stat
ionice -p $$ 2>&1; setpriv -d 2>&1; pwd; umask
(: >/tmp/.spawn-thread-$$) 2>/dev/null && rm -f /tmp/.spawn-thread-$$ && echo wrote
true`

// showsThread are programs without which some changes do not show.
var showsThread = map[string]string{"I/O priority": "ionice", "securebits": "setpriv"}

func hasProgram(name string) bool {
	_, err := exec.LookPath(name)
	return name == "" || err == nil
}

// TestParentDeathKeepsThread wants a child of a thread that is not like the others to
// have what it has, with and without ParentDeathSignal.
func TestParentDeathKeepsThread(t *testing.T) {
	changes := map[string]func() error{"nothing": func() error { return nil }}
	for name, f := range threadChanges {
		changes[name] = f
	}
	if os.Geteuid() == 0 {
		for name, f := range rootsThreadChanges {
			changes[name] = f
		}
	}
	plain := spawntest.Output(t, spawntest.Shell(showThread, attr.ParentDeathSignal(unix.SIGKILL)))
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			if name == "landlock" && !spawntest.HasLandlock() {
				testenv.Skip(t, "no Landlock")
			}
			if slices.Contains(unsharing, name) {
				testenv.NeedCall(t, "unshare", unix.SYS_UNSHARE)
			}
			if name == "policy" {
				testenv.NeedCall(t, "sched_setattr", unix.SYS_SCHED_SETATTR)
			}
			onOddThread(t, change, func() {
				want := spawntest.Output(t, spawntest.Shell(showThread))
				got := spawntest.Output(t, spawntest.Shell(showThread, attr.ParentDeathSignal(unix.SIGKILL)))
				if got != want {
					t.Errorf("with the signal it is otherwise:\n%s", difference(want, got))
				}
				if name != "nothing" && want == plain && hasProgram(showsThread[name]) {
					t.Error("the change does not show")
				}
			})
		})
	}
}

// difference is the lines of two texts that differ.
func difference(a, b string) string {
	la, lb := strings.Split(a, "\n"), strings.Split(b, "\n")
	var s strings.Builder
	for i := range max(len(la), len(lb)) {
		x, y := "", ""
		if i < len(la) {
			x = la[i]
		}
		if i < len(lb) {
			y = lb[i]
		}
		if x != y {
			fmt.Fprintf(&s, "-%s\n+%s\n", x, y)
		}
	}
	return s.String()
}
