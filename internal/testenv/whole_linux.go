package testenv

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// whole is what belongs to this process, whichever thread looks: signal dispositions,
// umask, limits, directories, descriptors with their flags and positions, children, control
// groups that the library has made for it, and what its threads have, masks included. It
// is a Portrait, but for what belongs to the calling thread alone.
func whole() Portrait {
	p := Portrait{}
	status := statusOf("/proc/self/status")
	for _, key := range []string{"Umask", "SigIgn", "SigCgt", "THP_enabled", "CoreDumping"} {
		p[key] = status[key]
	}
	for _, key := range []string{"SigIgn", "SigCgt"} {
		set, _ := strconv.ParseUint(p[key], 16, 64)
		p[key] = fmt.Sprintf("%x", set&^stuck)
	}
	for _, name := range processFiles {
		b, _ := os.ReadFile("/proc/self/" + name)
		p[name] = string(b)
	}
	for _, name := range []string{"cwd", "root", "ns/pid_for_children"} {
		p[name], _ = os.Readlink("/proc/self/" + name)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	p["dumpable"] = fmt.Sprint(dumpable, err)
	p["session keyring"], p["process keyring"] = keyring(unix.KEY_SPEC_SESSION_KEYRING), keyring(unix.KEY_SPEC_PROCESS_KEYRING)
	p["environment"] = strings.Join(os.Environ(), "\n")
	for fd, target := range OpenFDs() {
		target = strings.TrimSuffix(target, " (deleted)") // by whomever: it is the same file
		p["descriptor "+fd] = target + " " + fdInfo(fd)
	}
	if HasChild() {
		p["child"] = "there is one"
	}
	for _, dir := range OwnCgroups() {
		p["control group "+dir] = "there"
	}
	wholeThreads(p)
	return p
}

// stuck are SIGHUP and SIGINT, which stay ignored for good once os/signal has ignored them
// and somebody has asked for them since.
const stuck = 1<<(unix.SIGHUP-1) | 1<<(unix.SIGINT-1)

// statusOf is a file of /proc by its lines.
func statusOf(path string) map[string]string {
	b, _ := os.ReadFile(path)
	return ParseSeen(string(b)).Status
}

// signalThread begins the mask of the runtime's thread for os/signal, which is there from
// the first use of that and blocks what nobody asks for. The engine blocks all signals, and
// two more that Go leaves to the C library.
const signalThread = "fffffffc"

// wholeThreads notes what the threads have, each kind once.
func wholeThreads(p Portrait) {
	tasks, _ := filepath.Glob("/proc/self/task/*")
	for _, dir := range tasks {
		status := statusOf(dir + "/status")
		if status["SigBlk"] == "" || strings.HasPrefix(status["State"], "Z") || strings.HasPrefix(status["State"], "X") {
			continue // it has ended
		}
		if strings.HasPrefix(status["SigBlk"], signalThread) {
			delete(status, "SigBlk")
		}
		for _, key := range []string{
			"SigBlk", "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
			"NoNewPrivs", "Seccomp", "Seccomp_filters", "Cpus_allowed",
		} {
			if value, ok := status[key]; ok {
				p["a thread with "+key+" "+value] = "there"
			}
		}
		for _, name := range []string{"cwd", "ns/mnt", "ns/net", "ns/user", "ns/uts"} {
			if target, err := os.Readlink(dir + "/" + name); err == nil {
				p["a thread with "+name+" "+target] = "there"
			}
		}
	}
}

// fdInfo is what the kernel tells of an open file: where it is read or written, and how.
func fdInfo(fd string) string {
	info, _ := os.ReadFile("/proc/self/fdinfo/" + fd)
	var kept []string
	for line := range strings.Lines(string(info)) {
		if strings.HasPrefix(line, "flags:") || strings.HasPrefix(line, "pos:") && fd != "0" && fd != "1" && fd != "2" {
			kept = append(kept, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(kept, " ")
}

// OwnCgroups are the control groups whose names say that this process has made them: they
// begin with the number of its pid namespace, or 0, and its pid.
func OwnCgroups() (dirs []string) {
	var ns unix.Stat_t
	_ = unix.Stat("/proc/self/ns/pid", &ns)
	own, _ := os.ReadFile("/proc/self/cgroup")
	mounts, _ := os.ReadFile("/proc/self/mountinfo")
	for line := range strings.Lines(string(mounts)) {
		before, after, _ := strings.Cut(line, " - ")
		f := strings.Fields(before)
		if !strings.HasPrefix(after, "cgroup2 ") || len(f) < 5 {
			continue
		}
		for group := range strings.Lines(string(own)) {
			if path, ok := strings.CutPrefix(strings.TrimSpace(group), "0::"); ok {
				for _, inode := range []uint64{0, ns.Ino} {
					some, _ := filepath.Glob(filepath.Join(f[4], path, fmt.Sprintf("spawn-%d-%d-*", inode, os.Getpid())))
					dirs = append(dirs, some...)
				}
				return dirs
			}
		}
	}
	return nil
}

// SettledWhole is the whole once it does not change any more.
func SettledWhole() Portrait {
	return settled(2, func() (Portrait, bool) { return whole(), true })
}

// Forget takes over what there is now of all whose names begin with one of some prefixes.
func (p Portrait) Forget(prefixes ...string) {
	if len(prefixes) == 0 {
		return
	}
	isForgotten := func(key, _ string) bool {
		return slices.ContainsFunc(prefixes, func(prefix string) bool { return strings.HasPrefix(key, prefix) })
	}
	now := SettledWhole()
	maps.DeleteFunc(p, isForgotten)
	for key, value := range now {
		if isForgotten(key, value) {
			p[key] = value
		}
	}
}

// spared begins the keys of what may be there or not.
const spared = "spared "

// Spare has all whose names begin with a prefix, and that is there now, be of no interest
// from now on, but for what was there before: that must stay as it is.
func (p Portrait) Spare(prefix string) {
	for key, value := range SettledWhole() {
		if _, was := p[key]; !was && strings.HasPrefix(key, prefix) {
			p[spared+key] = value
		}
	}
}

// leaveOut takes what is spared out of a later portrait.
func (p Portrait) leaveOut(now Portrait) {
	for key, value := range p {
		name, is := strings.CutPrefix(key, spared)
		if is && now[name] == value {
			delete(now, name)
		}
		if is {
			now[key] = value
		}
	}
}

// Since is what differs from an earlier portrait, and goes on to do so: what is garbage is
// let go of by the collector, and threads of the runtime change their masks for a moment.
// That there are other threads no more does not count.
func (p Portrait) Since() error {
	var changed []string
	look := func() bool {
		now := whole()
		p.leaveOut(now)
		for key := range p {
			if _, still := now[key]; !still && strings.HasPrefix(key, "a thread ") {
				now[key] = p[key]
			}
		}
		changed = p.Changes(now)
		return len(changed) == 0
	}
	if look() || within(shortly, func() bool { runtime.GC(); return look() }) {
		return nil
	}
	slices.Sort(changed)
	return errors.New(strings.Join(changed, "; "))
}

// wholeChanges returns a function that says what has changed since, but for some parts.
func wholeChanges(without ...string) func() []string {
	before := SettledWhole()
	return func() []string {
		before.Forget(without...)
		var err error
		if !within(leftTime, func() bool { err = before.Since(); return err == nil }) {
			return strings.Split(err.Error(), "; ")
		}
		return nil
	}
}
