package exec_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("what stays open", func([]string) int { return status(whatStaysOpen()) })
}

// TestWhatStaysOpen has a process run its first commands, and wants at most 15 descriptors
// to be open afterwards that were not before: two of the null device, and 13 that passed
// files need.
func TestWhatStaysOpen(t *testing.T) {
	if out, err := helper(t, "what stays open").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func whatStaysOpen() error {
	before := openNumbers()
	for range 3 {
		c := exec.Command("true")
		c.ExtraFiles = []*os.File{os.Stdin}
		if err := c.Run(); err != nil {
			return err
		}
	}
	_, err := exec.Command("true").Output()
	if err != nil {
		return err
	}
	kept := 0
	for fd := range openNumbers() {
		if before[fd] {
			continue
		}
		kept++
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 || fd < 3 {
			return fmt.Errorf("descriptor %d has flags %#x, %v", fd, flags, err)
		}
	}
	if kept > 15 || !exec.Features().Has("engine") && kept > 2 {
		return fmt.Errorf("%d descriptors stay open", kept)
	}
	return nil
}

// openNumbers is what is open but for what the runtime waits by, and what is read here.
func openNumbers() map[int]bool {
	fds := map[int]bool{}
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		target, err := os.Readlink("/proc/self/fd/" + e.Name())
		if fd, _ := strconv.Atoi(e.Name()); err == nil && !strings.HasPrefix(target, "anon_inode:[event") && !strings.HasSuffix(target, "/fd") {
			fds[fd] = true
		}
	}
	return fds
}
