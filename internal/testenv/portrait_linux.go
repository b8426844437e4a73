package testenv

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Portrait is all that a spawn must leave as it is in this process.
type Portrait map[string]string

// lasting are the lines of /proc/self/status that only the process itself
// changes.
var lasting = []string{
	"Name", "Umask", "State", "Tgid", "Pid", "PPid", "TracerPid", "Uid", "Gid", "Groups", "NStgid", "NSpid", "NSpgid",
	"NSsid", "Kthread", "CoreDumping", "THP_enabled", "untag_mask", "SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt",
	"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Seccomp_filters",
	"Cpus_allowed", "Mems_allowed",
}

// processFiles are files of /proc/self about the process, each compared as it is.
var processFiles = []string{"limits", "cgroup", "oom_score_adj", "coredump_filter", "personality"}

// asked is what prctl tells of a thread or its process.
var asked = map[string]int{
	"timer slack": unix.PR_GET_TIMERSLACK, "securebits": unix.PR_GET_SECUREBITS, "keepcaps": unix.PR_GET_KEEPCAPS,
	"dumpable": unix.PR_GET_DUMPABLE,
}

// stored is what prctl stores at an address.
var stored = map[string]int{"subreaper": unix.PR_GET_CHILD_SUBREAPER, "parent-death signal": unix.PR_GET_PDEATHSIG}

// Paint is TakePortrait in a test.
func Paint(t testing.TB) Portrait {
	t.Helper()
	p, err := TakePortrait()
	if err != nil {
		t.Error(err)
	}
	return p
}

// TakePortrait is for a thread that the caller has locked.
func TakePortrait() (p Portrait, err error) {
	p = Portrait{}
	note := func(e error) { err = errors.Join(err, e) }
	read := func(path string) string {
		b, err := os.ReadFile(path)
		note(err)
		return string(b)
	}
	link := func(name string) {
		target, err := os.Readlink("/proc/thread-self/" + name)
		note(err)
		p[name] = target
	}
	status := ParseSeen(read("/proc/thread-self/status")).Status
	for _, key := range lasting {
		p["status "+key] = status[key]
	}
	// The runtime sends the one to itself at any time, children the other.
	for _, key := range []string{"SigPnd", "ShdPnd"} {
		set, err := strconv.ParseUint(status[key], 16, 64)
		note(err)
		p["status "+key] = fmt.Sprintf("%x", set&^(1<<(unix.SIGURG-1)|1<<(unix.SIGCHLD-1)))
	}
	for _, name := range processFiles {
		p[name] = read("/proc/self/" + name)
	}
	p["environment"] = strings.Join(os.Environ(), "\n")
	p["scheduling"] = schedulingOf(unix.Gettid())
	for _, name := range []string{"cwd", "root", "exe"} {
		link(name)
	}
	for _, name := range []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "user", "uts"} {
		link("ns/" + name)
	}
	for name, option := range asked {
		n, err := unix.PrctlRetInt(option, 0, 0, 0, 0)
		note(err)
		p[name] = strconv.Itoa(n)
	}
	for name, option := range stored {
		n := new(int32)
		note(unix.Prctl(option, reflect.ValueOf(n).Pointer(), 0, 0, 0))
		p[name] = strconv.Itoa(int(*n))
	}
	st, serr := os.Stat("/proc/self/mem")
	note(serr)
	if serr == nil {
		p["owner of /proc files"] = fmt.Sprint(st.Sys().(*syscall.Stat_t).Uid)
	}
	p["session keyring"], p["process keyring"] = keyring(unix.KEY_SPEC_SESSION_KEYRING), keyring(unix.KEY_SPEC_PROCESS_KEYRING)
	var uts unix.Utsname
	note(unix.Uname(&uts))
	p["names"] = fmt.Sprintf("%s %s", uts.Nodename, uts.Domainname)
	for fd, target := range OpenFDs() {
		p["descriptor "+fd] = target + "\n" + fdFlags(fd)
	}
	return p, err
}

func keyring(which int) string {
	id, err := unix.KeyctlGetKeyringID(which, false)
	return fmt.Sprint(id, err)
}

// schedulingOf is what /proc and the kernel tell of a thread: session, group and
// terminal, priorities and policy, I/O priority.
func schedulingOf(tid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/self/task/%d/stat", tid))
	_, rest, _ := strings.Cut(string(b), ") ")
	f := strings.Fields(rest)
	if len(f) <= StatPolicy {
		return "" // it has ended
	}
	io, _, _ := unix.RawSyscall(unix.SYS_IOPRIO_GET, 1, uintptr(tid), 0)
	return fmt.Sprint(f[StatPgrp:StatFg+1], f[StatNice], f[StatPriority], f[StatPolicy], io)
}

// Threads is what the threads of this process have, each kind once.
func Threads(t testing.TB) (kinds []string) {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		dir := "/proc/self/task/" + task.Name()
		b, err := os.ReadFile(dir + "/status")
		tid, _ := strconv.Atoi(task.Name())
		kind := []string{schedulingOf(tid)}
		if err != nil || kind[0] == "" {
			continue // it has ended
		}
		status := ParseSeen(string(b)).Status
		for _, key := range lasting {
			if key != "Pid" && key != "NSpid" && key != "State" && !strings.HasPrefix(key, "Sig") && key != "ShdPnd" {
				kind = append(kind, key+" "+status[key])
			}
		}
		for _, name := range []string{"cwd", "root", "ns/cgroup", "ns/ipc", "ns/mnt", "ns/net", "ns/user", "ns/uts"} {
			target, _ := os.Readlink(dir + "/" + name)
			kind = append(kind, target)
		}
		kinds = append(kinds, strings.Join(kind, "\n"))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// fdFlags are the flags of a descriptor and of its open file.
func fdFlags(fd string) string {
	info, _ := os.ReadFile("/proc/self/fdinfo/" + fd)
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "flags:") {
			return line
		}
	}
	return "none"
}

// Dumpable is the process's flag.
func Dumpable(t testing.TB) int {
	t.Helper()
	v, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Error(err)
	}
	return v
}

// Changes says what is not the same after.
func (p Portrait) Changes(after Portrait) (changed []string) {
	keys := map[string]bool{}
	for _, m := range []Portrait{p, after} {
		for k := range m {
			keys[k] = true
		}
	}
	for k := range keys {
		if p[k] != after[k] {
			changed = append(changed, fmt.Sprintf("%s was %q and is %q", k, p[k], after[k]))
		}
	}
	return changed
}

// Compare wants nothing to have changed.
func (p Portrait) Compare(t testing.TB, after Portrait) {
	t.Helper()
	for _, c := range p.Changes(after) {
		t.Error(c)
	}
}
