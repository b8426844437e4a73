//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// refusal makes a system call fail, if all that is said of its arguments is so.
type refusal struct {
	call  int
	errno syscall.Errno
	args  []argument
}

// argument is about the low half of an argument: it is a value, or has some of its
// bits.
type argument struct {
	n     int
	value uint32
	bits  bool
}

// feign makes a filter of refusals.
func feign(refusals []refusal) attr.Seccomp {
	load := func(offset uint32) attr.SockFilter {
		return spawntest.BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset)
	}
	var f []attr.SockFilter
	for _, r := range refusals {
		rest := uint8(2*len(r.args) + 1) // to be passed over
		f = append(f, load(0), spawntest.BPF(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, rest, uint32(r.call)))
		for _, a := range r.args {
			rest -= 2
			op := uint16(unix.BPF_JEQ)
			if a.bits {
				op = unix.BPF_JSET
			}
			f = append(f, load(raw.LowOfArg(a.n)), spawntest.BPF(unix.BPF_JMP|op|unix.BPF_K, 0, rest, a.value))
		}
		f = append(f, spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ERRNO|uint32(r.errno)))
	}
	return attr.Seccomp{Filter: append(f, spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW))}
}

// without is a kernel that does not have a call, or that knows no such option.
func without(call int, errno syscall.Errno) []refusal { return []refusal{{call, errno, nil}} }

func withoutOption(option uint32) []refusal {
	return []refusal{{unix.SYS_PRCTL, unix.EINVAL, []argument{{0, option, false}}}}
}

// withoutSigmask does not know PTRACE_SETSIGMASK.
var withoutSigmask = []refusal{{unix.SYS_PTRACE, unix.EIO, []argument{{0, 0x420b, false}}}}

// missing is an attribute on a kernel that does not have it.
type missing struct {
	kernel []refusal
	list   attr.List
	want   spawntest.Want
	root   bool // only root gets as far
}

const procWrite = unix.O_WRONLY | unix.O_CLOEXEC // how the child opens files of /proc

var missingAttrs = map[string]missing{
	"NoNewPrivs":     alone(withoutOption(unix.PR_SET_NO_NEW_PRIVS), attr.NoNewPrivs{}, "no_new_privs", "", unix.EINVAL),
	"ChildSubreaper": alone(withoutOption(unix.PR_SET_CHILD_SUBREAPER), attr.ChildSubreaper{}, "subreaper", "", unix.EINVAL),
	"CoreSched":      alone(withoutOption(unix.PR_SCHED_CORE), attr.CoreSched{}, "core_sched", "", unix.EINVAL),
	"CoreSched, SMT": alone([]refusal{{unix.SYS_PRCTL, unix.ENODEV, []argument{{0, unix.PR_SCHED_CORE, false}}}},
		attr.CoreSched{}, "core_sched", "", unix.ENODEV),
	"MemoryDenyWriteExec": alone(withoutOption(unix.PR_SET_MDWE), attr.MemoryDenyWriteExec{}, "mdwe", "", unix.EINVAL),
	"NoHugePages":         alone(withoutOption(unix.PR_SET_THP_DISABLE), attr.NoHugePages{}, "thp_disable", "", unix.EINVAL),
	"MergePages":          alone(withoutOption(unix.PR_SET_MEMORY_MERGE), attr.MergePages{}, "memory_merge", "", unix.EINVAL),
	"CoredumpFilter": alone([]refusal{{unix.SYS_OPENAT, unix.ENOENT, []argument{{2, procWrite, false}}}},
		attr.CoredumpFilter(0), "coredump_filter", "0x0", unix.ENOENT),
	"StartSuspended": alone(withoutSigmask, attr.StartSuspended{}, "suspend", "", unix.EIO),
	"Ptrace":         alone(withoutSigmask, attr.Ptrace{}, "ptrace", "", unix.EIO),
	"AmbientCaps": {withoutOption(unix.PR_CAP_AMBIENT), attr.List{attr.Umask(0o22), attr.AmbientCaps{0}},
		spawntest.Fails("ambient", 1, "CAP_CHOWN", unix.EINVAL), true},
	"AmbientCaps, number": {without(unix.SYS_ACCT, unix.ENOSYS), attr.List{attr.Umask(0o22), attr.AmbientCaps{63}},
		spawntest.Fails("ambient", 1, "capability 63", unix.EINVAL), true},
	"Capabilities": alone(withoutOption(unix.PR_CAP_AMBIENT), attr.Capabilities{Ambient: []attr.Capability{}}, "ambient", "", unix.EINVAL),
	"SchedPolicy": alone(without(unix.SYS_SCHED_SETATTR, unix.ENOSYS), attr.SchedPolicy{Policy: attr.SchedDeadline, Runtime: 1e6, Deadline: 1e7},
		"sched", "DEADLINE runtime=1ms deadline=10ms period=0s", unix.ENOSYS),
	"SchedPolicy, clamps": alone(without(unix.SYS_SCHED_SETATTR, unix.E2BIG), attr.SchedPolicy{UtilMin: 10}, "sched_util", "min=10 max=0", unix.E2BIG),
	"SchedPolicy, no clamps": alone(without(unix.SYS_SCHED_SETATTR, unix.EOPNOTSUPP), attr.SchedPolicy{UtilMin: 10},
		"sched_util", "min=10 max=0", unix.EOPNOTSUPP),
	"NUMAPolicy":     alone(without(unix.SYS_SET_MEMPOLICY, unix.ENOSYS), attr.NUMAPolicy{}, "mempolicy", "mode=default", unix.ENOSYS),
	"IOPrio":         alone(without(unix.SYS_IOPRIO_SET, unix.ENOSYS), attr.IOPrio{}, "ioprio", "class=none level=0", unix.ENOSYS),
	"SessionKeyring": alone(without(unix.SYS_KEYCTL, unix.ENOSYS), attr.SessionKeyring("x"), "keyring", "x", unix.ENOSYS),
	"OOMScoreAdj": alone([]refusal{{unix.SYS_OPENAT, unix.ENOENT, []argument{{2, procWrite, false}}}},
		attr.OOMScoreAdj(1000), "oom_score_adj", "1000", unix.ENOENT),
	"Landlock":          landlocked(without(unix.SYS_LANDLOCK_RESTRICT_SELF, unix.ENOSYS), 0, unix.ENOSYS),
	"Landlock, enabled": landlocked(without(unix.SYS_LANDLOCK_RESTRICT_SELF, unix.EOPNOTSUPP), 0, unix.EOPNOTSUPP),
	"Landlock, flags":   landlocked(without(unix.SYS_LANDLOCK_RESTRICT_SELF, unix.EINVAL), 1, unix.EINVAL),
	"Seccomp":           filtered(without(unix.SYS_SECCOMP, unix.ENOSYS), 0, unix.ENOSYS),
	"Seccomp, filters":  filtered(without(unix.SYS_SECCOMP, unix.EINVAL), 0, unix.EINVAL),
	"Seccomp, log":      filtered([]refusal{{unix.SYS_SECCOMP, unix.EINVAL, []argument{{1, 2, true}}}}, 2, unix.EINVAL),
	"Seccomp, allow":    filtered([]refusal{{unix.SYS_SECCOMP, unix.EINVAL, []argument{{1, 4, true}}}}, 2|4, unix.EINVAL),
	"Credential":        alone(without(raw.Setgroups.Number(), unix.ENOSYS), attr.Credential{UID: 7, Root: true}, "setgroups", "[]", unix.ENOSYS),
	"IDs":               alone(without(raw.Setresgid.Number(), unix.ENOSYS), attr.IDs{KeepGroups: true, Root: true}, "setresgid", "real=0 effective=0", unix.ENOSYS),
	"ResetIDs":          alone(without(raw.Setresgid.Number(), unix.ENOSYS), attr.ResetIDs{}, "setresgid", "real", unix.ENOSYS),
	"Namespaces": alone([]refusal{{unix.SYS_CLONE3, unix.ENOSYS, nil}, {unix.SYS_CLONE, unix.EINVAL, []argument{{raw.CloneFlagsArg(), unix.CLONE_NEWUTS, true}}}},
		attr.Namespaces{Flags: unix.CLONE_NEWUTS}, "clone", "uts", unix.EINVAL),
	"Unshare": alone(without(unix.SYS_UNSHARE, unix.EINVAL), attr.Unshare{Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWUSER},
		"unshare", "uts,user", unix.EINVAL),
	"JoinNamespace": alone([]refusal{{unix.SYS_SETNS, unix.EINVAL, nil},
		{unix.SYS_PRCTL, unix.EINVAL, []argument{{0, unix.PR_CAPBSET_READ, false}, {1, unix.CAP_BPF, false}}}},
		attr.JoinNamespace{Types: unix.CLONE_NEWUTS}, "setns", "self uts", unix.EINVAL),
	"IDMap": {[]refusal{{unix.SYS_UNSHARE, 0, nil}, {unix.SYS_OPENAT, unix.ENOENT, []argument{{2, procWrite, false}}}},
		attr.List{attr.Unshare{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: []attr.IDMapEntry{{Size: 1}}}},
		spawntest.Fails("uid_map", 1, "0 0 1", unix.ENOENT), false},
	"Mounts": {[]refusal{{unix.SYS_UNSHARE, 0, nil}, {unix.SYS_MOUNT, unix.ENODEV, []argument{{3, 0, false}}}, {unix.SYS_MOUNT, 0, nil}},
		attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}, attr.Mounts{{Target: "/missing", FSType: "ext4"}}},
		spawntest.Fails("mount", 1, "/missing", unix.ENODEV), false},
	"NewRoot": {[]refusal{{unix.SYS_UNSHARE, 0, nil}, {unix.SYS_OPEN_TREE, unix.ENOSYS, nil}, {unix.SYS_MOUNT, 0, nil}},
		attr.List{attr.Unshare{Flags: unix.CLONE_NEWNS}, attr.NewRoot{{Path: "/x", Bind: "/"}}},
		spawntest.Fails("open_tree", 1, "/", unix.ENOSYS), false},
	"TimeOffsets": {[]refusal{{unix.SYS_UNSHARE, 0, nil}, {unix.SYS_OPENAT, unix.ENOENT, []argument{{2, procWrite, false}}}},
		attr.List{attr.Unshare{Flags: unix.CLONE_NEWTIME}, attr.TimeOffsets{}},
		spawntest.Fails("timens_offsets", 1, "monotonic 0s, boottime 0s", unix.ENOENT), false},
}

// alone is an attribute that needs no other.
func alone(kernel []refusal, a attr.Attr, step, object string, errno syscall.Errno) missing {
	return missing{kernel, attr.List{attr.Umask(0o22), a}, spawntest.Fails(step, 1, object, errno), false}
}

func landlocked(kernel []refusal, flags uint, errno syscall.Errno) missing {
	return missing{kernel, attr.List{attr.NoNewPrivs{}, attr.Landlock{FD: attr.FD(1), Flags: flags}},
		spawntest.Fails("landlock", 1, "descriptor 1", errno), false}
}

func filtered(kernel []refusal, flags uint, errno syscall.Errno) missing {
	f := spawntest.Refuse(unix.EXDEV, unix.SYS_UNAME)
	f.Flags = flags
	return missing{kernel, attr.List{attr.NoNewPrivs{}, f}, spawntest.Fails("seccomp", 1, "4 instructions", errno), false}
}

func init() {
	for name, m := range missingAttrs {
		older["attr."+name] = olderKernel{feign(m.kernel), m.try}
	}
}

// try wants the error to say that the kernel does not have it, and no program to
// have run.
func (m missing) try() error {
	if m.root && os.Geteuid() != 0 {
		return nil
	}
	defer kernel.NoNamespacesForTest()()
	if j, ok := m.list[1].(attr.JoinNamespace); ok {
		if testenv.Lacks(unix.SYS_PIDFD_OPEN) {
			return nil
		}
		fd, err := unix.PidfdOpen(os.Getpid(), 0)
		if err != nil {
			return err
		}
		j.File = os.NewFile(uintptr(fd), "self")
		defer j.File.Close()
		m.list[1] = j
	}
	var text string
	err := spawntest.EachEngineError(func(string) error {
		out, _, err := spawntest.TryOutput(spawntest.Shell("echo it ran", m.list...))
		how := m.want.Differs(err)
		if how != "" || !errors.Is(err, errors.ErrUnsupported) || out != "" {
			return fmt.Errorf("%w: %s; want %+v; output %q", err, how, m.want, out)
		}
		var lack *spawn.UnsupportedError
		if !errors.As(err, &lack) || lack.What == "" {
			return fmt.Errorf("%w: does not say what is missing", err)
		}
		text = err.Error()
		return nil
	})
	fmt.Println(text)
	return err
}

// TestEveryMissing is that TestOlderKernels has them all.
func TestEveryMissing(t *testing.T) {
	complete(t, rowsOf(missingAttrs), because(map[string]string{
		"in every kernel that Go runs on": "SigMask InheritIgnored SigDefault SigIgnore Setsid Setpgid ControllingTTY DetachTTY Foreground " +
			"Umask Nice Rlimit RlimitToHard NoFile NoFilePolicy Chroot PivotRoot SecureBits ParentDeathSignal CPUAffinity " +
			"TimerSlack Personality",
		"needs memory files of this process":                       "Digest",
		"done in another way, see eachEngine":                      "Cgroup",
		"needs a security module, see TestExecLabel":               "SELinuxContext AppArmorProfile",
		"does less instead, see TestDieWithParentWithoutPrivilege": "DieWithParent",
		"comes with its namespace":                                 "Hostname Domainname Loopback",
	}))
}

// TestMissingOnlyWhereSure has errors that look the same, but on a kernel that has it.
func TestMissingOnlyWhereSure(t *testing.T) {
	file, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	scratch := attr.Seccomp{Filter: []attr.SockFilter{spawntest.BPF(unix.BPF_LD|unix.BPF_MEM, 0, 0, 3), spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, unix.SECCOMP_RET_ALLOW)}}
	lists := []attr.List{{attr.NoNewPrivs{}, scratch}, {attr.Nice(19), attr.CPUAffinity{65535}}}
	if !testenv.Lacks(unix.SYS_SETNS) {
		lists = append(lists, attr.List{attr.Nice(19), attr.JoinNamespace{File: file}})
	}
	for _, list := range lists {
		_, err := spawn.Start(context.Background(), spawntest.Shell(":", list...))
		if !errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: %v", list, err)
		}
	}
}
