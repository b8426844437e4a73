//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// inHelper runs a helper program for each engine, with descriptor reportFD to
// complain at.
func inHelper(t *testing.T, name string, args ...string) {
	t.Helper()
	dir := t.TempDir()
	if _, err := writeWaiter(dir); err != nil {
		t.Fatal(err)
	}
	for _, engine := range spawntest.Chosen(t.Name()) {
		t.Run("without "+engine, func(t *testing.T) {
			if out := helperReport(t, name, append([]string{dir, engine}, args...)...); out != "" {
				t.Errorf("%.5000s", out)
			}
		})
	}
}

// helperReport runs a helper and returns what it says at reportFD, and how it
// ended if not well.
func helperReport(t *testing.T, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report")
	s := spawntest.Helper(t, name, args...)
	s.Actions.Open(reportFD, path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	state, err := spawn.Run(context.Background(), s)
	said, rerr := os.ReadFile(path)
	if err != nil || rerr != nil || !state.Success() && len(said) == 0 {
		return fmt.Sprintf("%v, %v, %v", state, err, rerr)
	}
	return string(said)
}

// complain reports from a helper, whose own 2 may be closed.
func complain(format string, args ...any) {
	_, _ = unix.Write(reportFD, []byte(fmt.Sprintf(format, args...)+"\n"))
}

// lowTaken lists which of 0, 1 and 2 are open.
func lowTaken() (open []int) {
	for n := range 3 {
		if _, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil {
			open = append(open, n)
		}
	}
	return open
}

// The helper closes 0, 1 and 2 in all combinations, and does what opens something.
var _ = testenv.RegisterHelper("low numbers", func(args []string) int {
	unix.CloseOnExec(reportFD)
	dir := args[0]
	defer spawntest.Force(args[1])()
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		complain("%v", err)
	}
	for mask := 1; mask < 8; mask++ {
		var want []int
		for n := range 3 {
			if mask>>n&1 != 0 {
				unix.Close(n)
			} else if unix.Dup3(null, n, 0) != nil {
				complain("no number %d", n)
			} else {
				want = append(want, n)
			}
		}
		for name, open := range lowOpeners(dir) {
			done := open(want)
			if got := lowTaken(); !slices.Equal(got, want) {
				complain("%s: of 0 to 2 %v are open, should be %v", name, got, want)
				for _, n := range got {
					if target, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", n)); !slices.Contains(want, n) {
						complain("%d is %s", n, target)
					}
				}
			}
			if done != nil {
				done()
			}
		}
	}
	return 0
})

// lowOpeners are what opens something. Each returns what undoes it.
func lowOpeners(dir string) map[string]func(want []int) func() {
	ctx := context.Background()
	start := func(list attr.List, f func(s *spawn.Spec)) func(want []int) func() {
		return func(want []int) func() {
			s := &spawn.Spec{Path: filepath.Join(dir, waiterName), Env: []string{}, Attr: list}
			if f != nil {
				f(s)
			}
			proc, err := spawn.Start(ctx, s)
			if err != nil {
				complain("start: %v", err)
				return nil
			}
			checkLowOfChild(proc.Pid(), want)
			_ = proc.WithPidfd(func(fd uintptr) error {
				if got := lowTaken(); fd < 3 || !slices.Equal(got, want) {
					complain("WithPidfd has %d, and of 0 to 2 %v are open", fd, got)
				}
				return nil
			})
			return func() {
				done := proc.Done()
				_ = proc.Kill()
				<-done
			}
		}
	}
	openers := map[string]func(want []int) func(){
		"start":         start(nil, nil),
		"copied memory": start(attr.List{attr.NoHugePages{}}, nil),
		"InheritAll":    start(nil, func(s *spawn.Spec) { s.Actions.InheritAll() }),
		"file of /proc": start(attr.List{attr.OOMScoreAdj(500)}, nil),
		"features":      func([]int) func() { spawn.Features(); return nil },
	}
	if r, err := attr.NewLandlock(attr.LandlockRules{Read: []string{"/"}, Execute: []string{"/"}}); err == nil {
		openers["ruleset"] = func([]int) func() {
			r, err := attr.NewLandlock(attr.LandlockRules{Read: []string{"/"}})
			if err != nil {
				complain("%v", err)
				return nil
			}
			return func() { r.Close() }
		}
		openers["restricted"] = start(attr.List{attr.NoNewPrivs{}, r.Attr()}, nil)
	}
	return openers
}

// checkLowOfChild looks at 0, 1 and 2 of a child.
func checkLowOfChild(pid int, want []int) {
	if err := awaitExec(pid); err != nil {
		complain("%v", err)
		return
	}
	table, err := tableOf(pid)
	if err != nil {
		complain("%v", err)
	}
	if got := slices.Sorted(maps.Keys(table)); !slices.Equal(got, want) && !slices.Contains(got, reportFD) {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, got[0]))
		complain("the child has %v, should have %v; %d is %s", got, want, got[0], target)
	}
}

// TestClosedStdioIsLeftAlone: nothing that the library opens is where this process
// has closed 0, 1 and 2, and no child has any of it.
func TestClosedStdioIsLeftAlone(t *testing.T) { inHelper(t, "low numbers") }

// The helper starts children while 0, 1 and 2 are opened and closed beside.
var _ = testenv.RegisterHelper("low numbers in turmoil", func(args []string) int {
	unix.CloseOnExec(reportFD)
	defer spawntest.Force(args[1])()
	mask, _ := strconv.Atoi(args[2])
	rounds, _ := strconv.Atoi(args[3])
	for n := range 3 {
		if mask>>n&1 != 0 {
			unix.Close(n)
		}
	}
	stop := make(chan bool)
	var beside, starts sync.WaitGroup
	for range 3 {
		beside.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if fd, err := unix.Open("/etc/passwd", unix.O_RDONLY|unix.O_CLOEXEC, 0); err == nil {
					unix.Close(fd)
				}
			}
		})
	}
	for range 4 {
		starts.Go(func() {
			for range rounds {
				s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}}
				err := withWaiter(s, func(pid int) error {
					table, err := tableOf(pid)
					for n := range table {
						if n > 2 || mask>>n&1 != 0 {
							complain("the child has %d: %v", n, table[n])
						}
					}
					return err
				})
				if err != nil {
					complain("%v", err)
				}
			}
		})
	}
	starts.Wait()
	close(stop)
	beside.Wait()
	return 0
})

// TestStartsBesideOpeners starts children while files are opened and closed
// beside, with and without 0, 1 and 2 among their numbers.
func TestStartsBesideOpeners(t *testing.T) {
	for _, mask := range []string{"0", "1", "6", "7"} {
		t.Run("closed "+mask, func(t *testing.T) {
			inHelper(t, "low numbers in turmoil", mask, strconv.Itoa(testenv.Rounds(3, 100)))
		})
	}
}

// TestOpenedBesideStart has somebody open a file without close-on-exec beyond what a start
// has taken for the end of the table, just before the clone, and again in the next start.
func TestOpenedBesideStart(t *testing.T) {
	needFiles(t, 4*1024+10) // reportFD makes the table one of 1024, which each file doubles
	for _, how := range []string{"nothing named", "a file named", "lent"} {
		t.Run(how, func(t *testing.T) { inHelper(t, "opened beside the start", how) })
	}
}

var _ = testenv.RegisterHelper("opened beside the start", func(args []string) int {
	defer spawntest.Force(args[1])()
	unix.CloseOnExec(reportFD)
	s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}}
	want := []int{0, 1, 2}
	switch args[2] {
	case "a file named":
		s.Actions.File(os.Stdin, 9)
		want = append(want, 9)
	case "lent":
		s.Actions.InheritAll()
		s.Actions.File(os.Stdin, 9)
		s.Actions.CloseFrom(3)
	}
	opened := 0
	defer fdtable.OnTableSizeForTest(func() {
		if opened == 3 {
			return
		}
		opened++
		size, _ := kernel.Number("/proc/self/status", "FDSize")
		if _, err := unix.FcntlInt(0, unix.F_DUPFD, size+7); err != nil {
			complain("%v", err)
		}
	})()
	err := withWaiter(s, func(pid int) error {
		table, err := tableOf(pid)
		if got := slices.Sorted(maps.Keys(table)); !slices.Equal(got, want) {
			complain("the child has %v, should have %v", got, want)
		}
		return err
	})
	if err != nil {
		complain("%v", err)
	}
	if looks := args[1] == "close_range" || args[1] == "anything"; looks && opened != 3 {
		complain("%d files were opened", opened)
	}
	return 0
})

// TestLooksNowhere has no /proc: a child that can't look for files beyond the end of its table
// leaves its standard input and the offset of that alone.
func TestLooksNowhere(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedCall(t, "chroot", unix.SYS_CHROOT)
	inHelper(t, "looks nowhere")
}

var _ = testenv.RegisterHelper("looks nowhere", func(args []string) int {
	defer spawntest.Force(args[1])()
	name := filepath.Join(args[0], "input")
	if err := os.WriteFile(name, []byte("some text"), 0o600); err != nil {
		complain("%v", err)
	}
	in, err := os.Open(name)
	if err == nil {
		_, err = in.Seek(5, io.SeekStart)
	}
	if err == nil {
		err = unix.Dup3(int(in.Fd()), 0, 0)
	}
	if err == nil {
		err = unix.Chroot(args[0])
	}
	if err != nil {
		complain("%v", err)
	}
	s := &spawn.Spec{Path: "/" + waiterName, Env: []string{}}
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		complain("%v", err)
	}
	offset, err := in.Seek(0, io.SeekCurrent)
	if err != nil || offset != 5 {
		complain("offset %d, %v", offset, err)
	}
	_ = p.Kill()
	if _, err := p.Wait(context.Background()); err != nil {
		complain("%v", err)
	}
	return 0
})

// TestCloseOnExecStdio: of 0, 1 and 2 the child has those that are not
// close-on-exec, and a file action may name the others.
func TestCloseOnExecStdio(t *testing.T) { inHelper(t, "close-on-exec stdio") }

var _ = testenv.RegisterHelper("close-on-exec stdio", func(args []string) int {
	unix.CloseOnExec(reportFD)
	defer spawntest.Force(args[1])()
	unix.CloseOnExec(0)
	unix.CloseOnExec(2)
	for _, all := range []bool{false, true} {
		s := &spawn.Spec{Path: filepath.Join(args[0], waiterName), Env: []string{}}
		if all {
			s.Actions.InheritAll()
		}
		check := func(want ...int) {
			err := withWaiter(s, func(pid int) error {
				table, err := tableOf(pid)
				if got := slices.Sorted(maps.Keys(table)); !slices.Equal(got, want) {
					complain("InheritAll %v: the child has %v, should have %v", all, got, want)
				}
				return err
			})
			if err != nil {
				complain("%v", err)
			}
		}
		check(1)
		s.Actions.Dup2(0, 7)
		check(1, 7)
		s.Actions.Inherit(2)
		check(1, 2, 7)
	}
	return 0
})

// TestPollerIsHigh: the runtime begins to poll with the first start, and dies when
// somebody puts a file over what it polls with.
func TestPollerIsHigh(t *testing.T) {
	if out := helperReport(t, "low poller"); out != "" {
		t.Error(out)
	}
}

var _ = testenv.RegisterHelper("low poller", func([]string) int {
	unix.CloseOnExec(reportFD)
	for n := range 3 {
		unix.Close(n)
	}
	sleep := func() {
		s := &spawn.Spec{Path: "/bin/sleep", Args: []string{"sleep", "0.05"}}
		if _, err := spawn.Run(context.Background(), s); err != nil {
			complain("%v", err)
		}
	}
	sleep()
	if got := lowTaken(); len(got) > 0 {
		complain("of 0 to 2 %v are open", got)
	}
	for n := range 3 {
		if fd, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0); fd != n {
			complain("opened %d, %v", fd, err)
		}
	}
	sleep()
	return 0
})
