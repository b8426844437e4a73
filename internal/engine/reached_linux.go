//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import (
	"bytes"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/highfd"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/plan"
	"github.com/safespawn/spawn/internal/raw"
)

// processLimit says which limit keeps this thread from making another process or
// thread, in the cgroup of a directory if that is not nil. They are looked at now that
// the kernel has refused; one that is not reached any more, or that can't be seen from
// here, is not named. Processes are counted last and only where that can tell: it
// takes many calls, at a moment when the runtime had better not need a thread.
func processLimit(cgroup *os.File) (l reached) {
	if l = pidsLimit(cgroup); l.Limit != "" {
		return l
	}
	all := allThreads()
	if most, ok := sysctl("kernel/threads-max"); ok && all >= most {
		return sysctlReached("kernel.threads-max", most)
	}
	if l = userLimit(uint32(unix.Getuid()), all); l.Limit != "" {
		return l
	}
	if most, ok := sysctl("kernel/pid_max"); ok && all >= (most-reservedPIDs)/2 && pidsInUse() >= most-reservedPIDs {
		return sysctlReached("kernel.pid_max", most)
	}
	return reached{hint: "RLIMIT_NPROC, pids.max of a cgroup, kernel.threads-max or kernel.pid_max is reached"}
}

// reached is a limit of processes that is reached; without a name it is not known which.
type reached struct {
	plan.LimitError
	hint string
}

// tell puts the limit into the error of a start.
func (l reached) tell(e *plan.Error, errno syscall.Errno) {
	e.Hint = l.hint
	if l.Limit != "" {
		l.Err = errno
		e.Err = &l.LimitError
	}
}

func sysctlReached(name string, most int) reached {
	return reached{plan.LimitError{Limit: name, Value: uint64(most)}, fmt.Sprintf("%s of %d is reached", name, most)}
}

// reservedPIDs are not given a second time.
const reservedPIDs = 300

// userLimit is about RLIMIT_NPROC of this thread, for a user. No user has more than
// all threads.
func userLimit(uid uint32, all int) reached {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NPROC, &l) != nil || l.Cur > uint64(all) || mayExceed(uid) {
		return reached{}
	}
	if n := threadsOf(uid); uint64(n) >= l.Cur {
		return nprocReached(l.Cur, n, uid)
	}
	return reached{}
}

func nprocReached(limit uint64, n int, uid uint32) reached {
	hint := fmt.Sprintf("RLIMIT_NPROC of %d is reached: uid %d has %d threads", limit, uid, n)
	return reached{plan.LimitError{Limit: "RLIMIT_NPROC", Value: limit}, hint}
}

// mayExceed reports whether RLIMIT_NPROC is not for this thread.
func mayExceed(uid uint32) bool {
	if !inInitialUserNamespace() {
		return false
	}
	mine, err := threadCaps()
	return uid == 0 || err == nil && (mine.effective.has(unix.CAP_SYS_RESOURCE) || mine.effective.has(unix.CAP_SYS_ADMIN))
}

// tooManyOfUser is about RLIMIT_NPROC at execve, which looks at it again where the
// user has changed.
func (d *diagnosis) tooManyOfUser() reached {
	if !d.setsIDs || d.userns {
		return reached{}
	}
	uid := d.eyes().uid
	for _, a := range d.attrs {
		if i, ok := a.(attr.IDs); ok {
			if uid = i.RUID; uid == attr.KeepID {
				uid = uint32(unix.Getuid())
			}
		}
	}
	limit, ok := d.limit(unix.RLIMIT_NPROC)
	if n := threadsOf(uid); ok && uint64(n) >= limit {
		return nprocReached(limit, n, uid)
	}
	return reached{hint: fmt.Sprintf("RLIMIT_NPROC is reached for uid %d", uid)}
}

// threadsOf counts the threads of a real uid, as far as they can be seen.
func threadsOf(uid uint32) (n int) {
	text := strconv.FormatUint(uint64(uid), 10)
	eachProcess(func(dir string) {
		raw.ReadQuickly(dir+"/status", func(status []byte) {
			if firstField(status, "Uid:") == text {
				k, _ := strconv.Atoi(firstField(status, "Threads:"))
				n += k
			}
		})
	})
	return n
}

// firstField is what follows a name at the beginning of a line.
func firstField(text []byte, name string) string {
	_, rest, ok := bytes.Cut(text, []byte("\n"+name))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	if f := bytes.Fields(line); ok && len(f) > 0 {
		return string(f[0])
	}
	return ""
}

func eachProcess(f func(dir string)) {
	for _, n := range raw.NamesQuickly("/proc") {
		if _, err := strconv.Atoi(n); err == nil {
			f("/proc/" + n)
		}
	}
}

// pidsInUse counts the numbers that a new process can't have, from 300 on: of
// threads, groups and sessions.
func pidsInUse() int {
	used := map[int]bool{}
	eachProcess(func(dir string) {
		for _, t := range raw.NamesQuickly(dir + "/task") {
			n, _ := strconv.Atoi(t)
			used[n] = true
		}
		raw.ReadQuickly(dir+"/stat", func(stat []byte) {
			for i, f := range kernel.StatFields(stat) {
				n, _ := strconv.Atoi(string(f))
				used[n] = used[n] || i == 2 || i == 3 // state, parent, group, session
			}
		})
	})
	n := 0
	for pid, is := range used {
		if is && pid >= reservedPIDs {
			n++
		}
	}
	return n
}

// allThreads is how many the whole system has, whatever can be seen of them.
func allThreads() int {
	f := strings.Fields(readText("/proc/loadavg"))
	if len(f) < 4 {
		return 0
	}
	_, total, _ := strings.Cut(f[3], "/")
	n, _ := strconv.Atoi(total)
	return n
}

func sysctl(name string) (int, bool) { return fileNumber("/proc/sys/" + name) }

// fileNumber is the number that a file has, and nothing else.
func fileNumber(name string) (int, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(readText(name)))
	return n, err == nil
}

// readText is what a file of the kernel's has; nothing, if there is none.
func readText(name string) (text string) {
	raw.ReadQuickly(name, func(b []byte) { text = string(b) })
	return text
}

// pidsLimit finds a cgroup that has as many processes as it may.
func pidsLimit(cgroup *os.File) reached {
	for _, d := range limitedCgroups(cgroup) {
		for dir := d[0]; ; dir = path.Dir(dir) {
			most, limited := fileNumber(dir + "/pids.max")
			if now, ok := fileNumber(dir + "/pids.current"); limited && ok && now >= most {
				hint := fmt.Sprintf("pids.max of %d is reached in %s", most, dir)
				return reached{plan.LimitError{Limit: "pids.max", Value: uint64(most), Cgroup: dir}, hint}
			}
			if dir == d[1] || dir == path.Dir(dir) {
				break
			}
		}
	}
	return reached{}
}

// fdText is the number of an open file, which is held open.
func fdText(f *os.File) (text string) {
	if fd, err := highfd.Number(f); err == nil {
		text = strconv.Itoa(fd)
	}
	return text
}

// limitedCgroups are the directories of this thread's cgroups that can have a limit of
// processes, and where they are mounted. A child of another cgroup is still in those
// of version 1.
func limitedCgroups(other *os.File) (dirs [][2]string) {
	mounts := readText("/proc/thread-self/mountinfo")
	for line := range strings.Lines(readText("/proc/thread-self/cgroup")) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) < 3 {
			continue
		}
		v2 := f[1] == ""
		if !v2 && !slices.Contains(strings.Split(f[1], ","), "pids") {
			continue
		}
		for line := range strings.Lines(mounts) {
			m, ok := parseMount(line)
			if !ok || !m.limitsPIDs(v2) {
				continue
			}
			at := m.point
			dir := ""
			if v2 && other != nil {
				dir, _ = raw.LinkQuickly("/proc/thread-self/fd/" + fdText(other))
			} else if rel, err := filepath.Rel(m.root, f[2]); err == nil {
				dir = path.Join(at, rel)
			}
			if dir == at || strings.HasPrefix(dir, at+"/") {
				dirs = append(dirs, [2]string{dir, at})
			}
		}
	}
	return dirs
}

// limitsPIDs reports whether cgroups of a version may limit processes there.
func (m mount) limitsPIDs(v2 bool) bool {
	return v2 && m.kind == "cgroup2" || !v2 && m.kind == "cgroup" && slices.Contains(strings.Split(m.options, ","), "pids")
}
