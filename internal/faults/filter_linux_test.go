//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package faults_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
)

// callers are the functions whose system calls may be made to fail: that of package
// syscall, and the child's assembly, whose first part the parent runs.
var callers = []string{"internal/runtime/syscall.Syscall6", "internal/runtime/syscall/linux.Syscall6", ".child"}

// codeRange is where a function is in memory: in one part of 4 GiB, as a filter compares
// halves of addresses.
type codeRange struct{ high, first, last uint32 }

// codeRanges finds the callers.
func codeRanges() (list []codeRange, err error) {
	var first, end uint64
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, " r-xp ") {
			_, err = fmt.Sscanf(line, "%x-%x", &first, &end)
			break
		}
	}
	if err != nil {
		return nil, err
	}
	const alignment = 16
	for pc := first; pc < end; pc += alignment {
		f := runtime.FuncForPC(uintptr(pc))
		if f == nil || !isCaller(f.Name()) {
			continue
		}
		here := codeRange{uint32(pc >> 32), uint32(pc), uint32(pc) + alignment - 1}
		if last := len(list) - 1; last >= 0 && here.high == list[last].high && here.first == list[last].last+1 {
			list[last].last = here.last
		} else {
			list = append(list, here)
		}
	}
	if len(list) < 2 {
		return nil, fmt.Errorf("found only %v", list)
	}
	return list, nil
}

func isCaller(name string) bool {
	for _, c := range callers {
		if name == c || c[0] == '.' && strings.HasSuffix(name, "internal/raw"+c) {
			return true
		}
	}
	return false
}

// never fail: the listener is not asked about them.
var never = []int{
	unix.SYS_EXIT, unix.SYS_EXIT_GROUP, unix.SYS_RT_SIGRETURN, unix.SYS_EPOLL_PWAIT, unix.SYS_EPOLL_CREATE1, unix.SYS_EVENTFD2,
}

// listen gives this process a filter that asks a listener about the callers' system calls.
func listen() (listener int, err error) {
	ranges, err := codeRanges()
	if err != nil {
		return -1, err
	}
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	jump := func(test uint16, yes, no uint8, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	result := func(k uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: k} }
	const number = 0
	low, high := raw.Pointer()
	list := []unix.SockFilter{load(number)}
	for _, nr := range never {
		list = append(list, jump(unix.BPF_JEQ, 0, 1, uint32(nr)), result(unix.SECCOMP_RET_ALLOW))
	}
	for _, r := range ranges {
		list = append(list, load(high), jump(unix.BPF_JEQ, 0, 4, r.high),
			load(low), jump(unix.BPF_JGE, 0, 2, r.first), jump(unix.BPF_JGT, 1, 0, r.last), result(unix.SECCOMP_RET_USER_NOTIF))
	}
	list = append(list, result(unix.SECCOMP_RET_ALLOW))
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); os.Geteuid() != 0 && err != nil {
		return -1, err
	}
	return rawtest.AddListenerToAll(list)
}
