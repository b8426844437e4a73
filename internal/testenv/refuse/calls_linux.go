//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

package main

import (
	"fmt"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
)

// call is a system call, or the part of it that has some bits of mask in an argument, or the
// value under the mask.
type call struct {
	number int
	arg    int    // from 0
	mask   uint32 // 0: all of the call
	value  uint32 // 0: any bit of mask
}

const (
	namespaceFlags = unix.CLONE_NEWNS | unix.CLONE_NEWCGROUP | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC |
		unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET
	futexCommand = 0x7f
	futexWakeOp  = 5
	allBits      = 1<<32 - 1
)

var calls = map[string]call{
	"clone3":                  {number: unix.SYS_CLONE3},
	"clone/CLONE_PIDFD":       {number: unix.SYS_CLONE, arg: raw.CloneFlagsArg(), mask: unix.CLONE_PIDFD},
	"clone/namespaces":        {number: unix.SYS_CLONE, arg: raw.CloneFlagsArg(), mask: namespaceFlags},
	"close_range":             {number: unix.SYS_CLOSE_RANGE},
	"close_range/UNSHARE":     {number: unix.SYS_CLOSE_RANGE, arg: 2, mask: unix.CLOSE_RANGE_UNSHARE},
	"close_range/CLOEXEC":     {number: unix.SYS_CLOSE_RANGE, arg: 2, mask: unix.CLOSE_RANGE_CLOEXEC},
	"pidfd_open":              {number: unix.SYS_PIDFD_OPEN},
	"pidfd_send_signal":       {number: unix.SYS_PIDFD_SEND_SIGNAL},
	"waitid":                  {number: unix.SYS_WAITID},
	"waitid/P_PIDFD":          {number: unix.SYS_WAITID, mask: allBits, value: unix.P_PIDFD},
	"execveat":                {number: unix.SYS_EXECVEAT},
	"prlimit64":               {number: unix.SYS_PRLIMIT64},
	"futex/WAKE_OP":           {number: unix.SYS_FUTEX, arg: 1, mask: futexCommand, value: futexWakeOp},
	"sched_yield":             {number: unix.SYS_SCHED_YIELD},
	"faccessat2":              {number: unix.SYS_FACCESSAT2},
	"openat2":                 {number: unix.SYS_OPENAT2},
	"statx":                   {number: unix.SYS_STATX},
	"memfd_create":            {number: unix.SYS_MEMFD_CREATE},
	"landlock_create_ruleset": {number: unix.SYS_LANDLOCK_CREATE_RULESET},
	"pidfd_getfd":             {number: unix.SYS_PIDFD_GETFD},
	"process_madvise":         {number: unix.SYS_PROCESS_MADVISE},
	"kcmp":                    {number: unix.SYS_KCMP},
	"ptrace":                  {number: unix.SYS_PTRACE},
	"unshare":                 {number: unix.SYS_UNSHARE},
	"setns":                   {number: unix.SYS_SETNS},
	"mount":                   {number: unix.SYS_MOUNT},
	"umount2":                 {number: unix.SYS_UMOUNT2},
	"pivot_root":              {number: unix.SYS_PIVOT_ROOT},
	"chroot":                  {number: unix.SYS_CHROOT},
	"sethostname":             {number: unix.SYS_SETHOSTNAME},
	"setdomainname":           {number: unix.SYS_SETDOMAINNAME},
	"keyctl":                  {number: unix.SYS_KEYCTL},
	"add_key":                 {number: unix.SYS_ADD_KEY},
	"request_key":             {number: unix.SYS_REQUEST_KEY},
	"bpf":                     {number: unix.SYS_BPF},
	"sched_setattr":           {number: unix.SYS_SCHED_SETATTR},
	"sched_getattr":           {number: unix.SYS_SCHED_GETATTR},
	"set_mempolicy":           {number: unix.SYS_SET_MEMPOLICY},
	"userfaultfd":             {number: unix.SYS_USERFAULTFD},
	"copy_file_range":         {number: unix.SYS_COPY_FILE_RANGE},
}

// filter is the program for rules such as "ENOSYS:clone3,close_range".
func filter(rules []string) ([]unix.SockFilter, error) {
	var list []unix.SockFilter
	for _, rule := range rules {
		name, names, ok := strings.Cut(rule, ":")
		errno := errnos[name]
		if !ok || errno == 0 {
			return nil, fmt.Errorf("no errno in %q", rule)
		}
		for _, name := range strings.Split(names, ",") {
			c, ok := calls[name]
			if !ok {
				return nil, fmt.Errorf("no call %q", name)
			}
			list = append(list, c.refuse(unix.SECCOMP_RET_ERRNO|uint32(errno))...)
		}
	}
	return append(list, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW}), nil
}

var errnos = map[string]syscall.Errno{"ENOSYS": unix.ENOSYS, "EPERM": unix.EPERM, "EINVAL": unix.EINVAL}

// refuse is the part of the program for one call.
func (c call) refuse(action uint32) []unix.SockFilter {
	const number = 0 // offset in seccomp_data
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	list := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: action}}
	switch {
	case c.value != 0:
		list = append([]unix.SockFilter{
			load(raw.LowOfArg(c.arg)),
			{Code: unix.BPF_ALU | unix.BPF_AND | unix.BPF_K, K: c.mask},
			{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: c.value},
		}, list...)
	case c.mask != 0:
		list = append([]unix.SockFilter{
			load(raw.LowOfArg(c.arg)),
			{Code: unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K, Jf: 1, K: c.mask},
		}, list...)
	}
	return append([]unix.SockFilter{
		load(number),
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: uint8(len(list)), K: uint32(c.number)},
	}, list...)
}
