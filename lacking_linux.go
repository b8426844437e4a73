//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// lacking is an error of the kernel that says what it does not have.
type lacking struct {
	needs string
	errno syscall.Errno
}

func (l *lacking) Error() string { return "needs " + l.needs + ": " + l.errno.Error() }

// Unwrap returns the errno.
func (l *lacking) Unwrap() error { return l.errno }

func (l *lacking) Is(target error) bool { return target == errors.ErrUnsupported }

// failed is a step and its errno.
type failed struct {
	step  string
	errno syscall.Errno
}

// lacks is what a step needs of the kernel, where its errno can mean nothing else.
// Go runs on Linux 3.2 and later, so what is older is not here.
var lacks = map[failed]string{
	{"no_new_privs", unix.EINVAL}:    "Linux 3.5",
	{"subreaper", unix.EINVAL}:       "Linux 3.4",
	{"core_sched", unix.EINVAL}:      "Linux 5.14 with CONFIG_SCHED_CORE",
	{"core_sched", unix.ENODEV}:      "a CPU with SMT",
	{"mdwe", unix.EINVAL}:            "Linux 6.3",
	{"thp_disable", unix.EINVAL}:     "Linux 3.15",
	{"memory_merge", unix.EINVAL}:    "Linux 6.4 with CONFIG_KSM",
	{"sched", unix.ENOSYS}:           "Linux 3.14",
	{"sched_util", unix.ENOSYS}:      utilClamps,
	{"sched_util", unix.E2BIG}:       utilClamps,
	{"sched_util", unix.ENOTSUP}:     utilClamps,
	{"mempolicy", unix.ENOSYS}:       "CONFIG_NUMA",
	{"ioprio", unix.ENOSYS}:          "CONFIG_BLOCK",
	{"keyring", unix.ENOSYS}:         "CONFIG_KEYS",
	{"landlock", unix.ENOSYS}:        "Linux 5.13 with CONFIG_SECURITY_LANDLOCK",
	{"landlock", unix.ENOTSUP}:       "Landlock to be enabled, as by lsm=landlock at boot",
	{"landlock", unix.EINVAL}:        "a kernel that knows the flags, which began with Linux 6.15",
	{"seccomp", unix.ENOSYS}:         "Linux 3.17 with CONFIG_SECCOMP_FILTER",
	{"setgroups", unix.ENOSYS}:       multiUser,
	{"setresgid", unix.ENOSYS}:       multiUser,
	{"setresuid", unix.ENOSYS}:       multiUser,
	{"capset", unix.ENOSYS}:          multiUser,
	{"securebits", unix.ENOSYS}:      multiUser,
	{"mount", unix.ENODEV}:           "this file system in the kernel",
	{"oom_score_adj", unix.ENOENT}:   procMounted,
	{"coredump_filter", unix.ENOENT}: procMounted + ", and CONFIG_ELF_CORE",
	{"uid_map", unix.ENOENT}:         procMounted,
	{"gid_map", unix.ENOENT}:         procMounted,
	{"setgroups", unix.ENOENT}:       procMounted + ", and Linux 3.19",
}

const (
	utilClamps  = "Linux 5.3 with CONFIG_UCLAMP_TASK"
	multiUser   = "CONFIG_MULTIUSER"
	procMounted = "/proc to be mounted"
)

// stepError is the error of a step of the child other than execve.
func (p *Program) stepError(step raw.Step, errno syscall.Errno) *Error {
	return &Error{Path: p.path, Step: step.Name, Index: step.Index, Object: p.objectOf(step), Err: p.whyFailed(step, errno)}
}

// whyFailed is the error of a step of the child.
func (p *Program) whyFailed(step raw.Step, errno syscall.Errno) error {
	if step.Index < 0 || step.Index < len(p.actions) && actionNames[p.actions[step.Index].kind] == step.Name {
		return errno
	}
	needs := lacks[failed{step.Name, errno}]
	if errno == unix.EINVAL && needs == "" {
		needs = p.lacksForEINVAL(step)
	}
	if needs == "" {
		return errno
	}
	return &lacking{needs, errno}
}

// lacksForEINVAL is lacks where only the kernel itself can tell. It is asked now
// that the step has failed.
func (p *Program) lacksForEINVAL(step raw.Step) string {
	switch step.Name {
	case "ambient":
		if !knowsPrctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_IS_SET, 0) {
			return "Linux 4.3"
		}
		return "a kernel that knows this capability"
	case "seccomp":
		return lacksFilter(p.argument(raw.Seccomp, 1))
	case "unshare":
		return lacksNamespaces(p.argument(raw.Unshare, 0))
	case "setns":
		// A capability came with that version, too.
		if p.joinsByPidfd(step.Index) && !knowsPrctl(unix.PR_CAPBSET_READ, unix.CAP_BPF, 0) {
			return "Linux 5.8, for a pidfd"
		}
	}
	return ""
}

// argument is a number that the child's first call of a kind gets.
func (p *Program) argument(sys raw.Sys, i int) uint64 {
	for _, c := range p.prog.Calls() {
		if c.Sys == sys {
			return c.Args[i].Num
		}
	}
	return 0
}

func knowsPrctl(option int, arg2, arg3 uintptr) bool {
	_, err := unix.PrctlRetInt(option, arg2, arg3, 0, 0)
	return err != unix.EINVAL
}

// lacksFilter asks for a filter at no address: a kernel that knows the flags says
// EFAULT.
func lacksFilter(flags uint64) string {
	for _, x := range []struct {
		bit   uint64
		needs string
	}{
		{0, "CONFIG_SECCOMP_FILTER"},
		{unix.SECCOMP_FILTER_FLAG_LOG, "Linux 4.14, for SECCOMP_FILTER_FLAG_LOG"},
		{unix.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "Linux 4.17, for SECCOMP_FILTER_FLAG_SPEC_ALLOW"},
	} {
		if flags&x.bit != x.bit {
			continue
		}
		if _, _, errno := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, uintptr(x.bit), 0); errno == unix.EINVAL {
			return x.needs
		}
	}
	return ""
}

// namespaceDir has a file for each kind of namespace that the kernel has.
var namespaceDir = "/proc/self/ns/"

var namespaceKinds = []struct {
	flag        uint64
	file, needs string
}{
	{unix.CLONE_NEWNS, "mnt", "mount namespaces"},
	{unix.CLONE_NEWUTS, "uts", "CONFIG_UTS_NS"},
	{unix.CLONE_NEWIPC, "ipc", "CONFIG_IPC_NS"},
	{unix.CLONE_NEWPID, "pid", "CONFIG_PID_NS"},
	{unix.CLONE_NEWNET, "net", "CONFIG_NET_NS"},
	{unix.CLONE_NEWUSER, "user", "Linux 3.8 with CONFIG_USER_NS"},
	{unix.CLONE_NEWCGROUP, "cgroup", "Linux 4.6 with CONFIG_CGROUPS"},
	{unix.CLONE_NEWTIME, "time", "Linux 5.6 with CONFIG_TIME_NS"},
}

// lacksNamespaces says which of the namespaces the kernel does not have.
func lacksNamespaces(flags uint64) string {
	if _, err := os.Stat(namespaceDir); err != nil {
		return "" // no /proc
	}
	var needs []string
	for _, k := range namespaceKinds {
		if _, err := os.Lstat(namespaceDir + k.file); flags&k.flag != 0 && errors.Is(err, os.ErrNotExist) {
			needs = append(needs, k.needs)
		}
	}
	return strings.Join(needs, ", ")
}

// joinsByPidfd reports whether namespaces are joined by a pidfd.
func (p *Program) joinsByPidfd(index int) bool {
	for _, h := range p.files {
		if h.step == "setns" && h.index == index {
			target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(h.fd))
			return strings.Contains(target, "pidfd")
		}
	}
	return false
}
