package spawn_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// inventory is what a test must not leave behind.
type inventory struct {
	fds      map[string]string
	children string
	dumpable int
}

func takeInventory() inventory {
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	return inventory{openFDs(), childState(), dumpable}
}

// openFDs is what is open, by number, but for what the runtime keeps.
func openFDs() map[string]string {
	fds := map[string]string{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || strings.HasPrefix(target, "anon_inode:[event") || isSlot(e.Name()) {
			continue
		}
		fds[e.Name()] = target
	}
	return fds
}

// isSlot reports whether a descriptor is one of those that the library keeps for
// files with high numbers: open for its path only.
func isSlot(fd string) bool {
	n, err := strconv.Atoi(fd)
	if err != nil {
		return false
	}
	fl, err := unix.FcntlInt(uintptr(n), unix.F_GETFL, 0)
	return err == nil && fl&unix.O_PATH != 0
}

// childState says whether there is any child, running or a zombie.
func childState() string {
	deadline := time.Now().Add(2 * time.Second)
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		if err == unix.ECHILD {
			return ""
		}
		if time.Now().After(deadline) {
			return fmt.Sprintf("a child that nobody has reaped (%v)", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (now inventory) leaks(before inventory) (problems []string) {
	for fd, target := range now.fds {
		if before.fds[fd] != target {
			problems = append(problems, "fd "+fd+" "+target)
		}
	}
	if now.dumpable != before.dumpable {
		problems = append(problems, fmt.Sprintf("dumpable flag %d", now.dumpable))
	}
	if now.children != "" {
		problems = append(problems, now.children)
	}
	return problems
}
