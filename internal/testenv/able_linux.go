package testenv

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// HasCap reports whether the calling thread has a capability.
func HasCap(n int) bool {
	status, err := os.ReadFile("/proc/thread-self/status")
	if err != nil {
		return false
	}
	set, _ := strconv.ParseUint(ParseSeen(string(status)).Status["CapEff"], 16, 64)
	return set>>n&1 == 1
}

// NeedCap skips what a root without a capability can't do.
func NeedCap(t testing.TB, n int) {
	t.Helper()
	if !HasCap(n) {
		Skip(t, fmt.Sprintf("needs capability %d", n))
	}
}

// SomeCPU is one that this process may run on.
func SomeCPU(t testing.TB) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for n := range 1024 {
		if set.IsSet(n) {
			return n
		}
	}
	t.Fatal("no CPU")
	return 0
}

// GetLimit is this process's limit of a resource.
func GetLimit(t testing.TB, resource int) unix.Rlimit {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// Mounts are those that this process sees.
func Mounts(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// MountsSince are the mounts that have come, or are gone, since Mounts has returned before.
// Those of other tests are left out, which see the same: they go away again, as do the
// directories that they were on.
func MountsSince(t testing.TB, before string) (changed []string) {
	t.Helper()
	list := func(text string) []string { return slices.Collect(strings.Lines(text)) }
	was, is := list(before), list(Mounts(t))
	come, gone := without(slices.Clone(is), was), without(was, is)
	Soon(func() bool {
		there := list(Mounts(t))
		come = slices.DeleteFunc(come, func(mount string) bool { return !slices.Contains(there, mount) })
		gone = slices.DeleteFunc(gone, func(mount string) bool {
			_, err := os.Lstat(strings.Fields(mount)[4])
			return errors.Is(err, os.ErrNotExist)
		})
		return len(come)+len(gone) == 0
	})
	return append(come, gone...)
}

// OnInitramfs reports whether the root is an initramfs, which can't be pivoted.
func OnInitramfs(t testing.TB) bool { return strings.Contains(Mounts(t), " / / rw - rootfs ") }

// NeedPivotRoot skips a test where the root can't be changed so.
func NeedPivotRoot(t testing.TB) {
	t.Helper()
	if OnInitramfs(t) {
		Skip(t, "the root is an initramfs")
	}
}
