package testenv

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Leftovers is what this process has now that no test must leave behind: open files,
// children, and its dumpable flag.
func Leftovers() []string {
	list := FilesAndChildren()
	if dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); err == nil {
		list = append(list, fmt.Sprintf("dumpable flag %d", dumpable))
	}
	return list
}

// FilesAndChildren is what is open, and whether there is a child.
func FilesAndChildren() []string {
	list := FDsSince(nil)
	if !within(shortly, func() bool { return !HasChild() }) { // some are reaped in the background
		list = append(list, "a child that nobody has reaped")
	}
	return list
}

// Settled is what is open once the collector has closed the files of earlier tests that
// are garbage, and reaped their children.
func Settled() map[string]string {
	return settled(3, func() (map[string]string, bool) { return OpenFDs(), !HasZombie() })
}

// settled is what there is once the collector has run so often and it has not changed, and
// was final each time.
func settled[M ~map[string]string](times int, look func() (now M, final bool)) M {
	last, _ := look()
	same := 0
	within(shortly, func() bool {
		runtime.GC()
		if now, final := look(); final && maps.Equal(now, last) {
			same++
		} else {
			last, same = now, 0
		}
		return same == times
	})
	return last
}

// CheckFDs wants no descriptors that were not open before, and no zombies. Children
// that live are another matter.
func CheckFDs(t testing.TB, before map[string]string) {
	t.Helper()
	for _, leak := range FDsSince(before) {
		t.Error("left behind:", leak)
	}
	if !Soon(func() bool { return !HasZombie() }) {
		t.Error("left behind: a zombie")
	}
}

// FDsSince is what is open now and was not, or was another file.
func FDsSince(before map[string]string) (list []string) {
	for fd, target := range OpenFDs() {
		if was, open := before[fd]; !open || was != target {
			list = append(list, "fd "+fd+" "+target)
		}
	}
	slices.Sort(list)
	return list
}

// OpenFDs is what is open, by number, but for what the runtime keeps.
func OpenFDs() map[string]string {
	fds := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || IsSlot(e.Name()) {
			continue
		}
		fds[e.Name()] = target
	}
	return fds
}

// IsSlot reports whether a descriptor is one of those that the library keeps for
// files with high numbers: open for its path only.
func IsSlot(fd string) bool {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return false
	}
	fl, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0)
	return err == nil && fl&unix.O_PATH != 0
}

// HasChild reports whether there is any child, running or a zombie.
func HasChild() bool {
	var info unix.Siginfo
	return unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil) == nil
}

// HasZombie reports whether a child has ended and was not reaped.
func HasZombie() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT|unix.WALL, nil)
	return err == nil && info.Signo != 0
}
