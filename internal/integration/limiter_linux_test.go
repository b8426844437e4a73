//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// room is how many children the limit leaves room for, and starters how many there
// would be without it.
const room, starters = 6, 12

// inTurn makes more starts at once than there is room for, by Programs and Cmds: all
// succeed. Before, without a second try, it fills the room, and one start more fails
// with an error that says which limit is reached.
func inTurn(starts int, limit spawn.LimitError) error {
	if err := checkLimitError(limit); err != nil {
		return err
	}
	l := spawn.NewLimiter(starters, spawn.RetryFor(time.Minute))
	var counters spawn.Counters
	s := spawntest.Shell("exec sleep 0.005")
	s.Limiter, s.Observer = l, &counters
	program, err := spawn.Compile(s)
	if err != nil {
		return err
	}
	ctx := context.Background()
	failures := make(chan error, starts)
	var all sync.WaitGroup
	for i := range starts {
		all.Go(func() {
			if i%4 == 0 {
				c := exec.Command("/bin/true")
				c.Limiter, c.Observer = l, &counters
				failures <- c.Run()
				return
			}
			state, err := program.Run(ctx)
			failures <- errors.Join(err, state.Err())
		})
	}
	all.Wait()
	close(failures)
	for err := range failures {
		if err != nil {
			return err
		}
	}
	if s := counters.Stats(); s.Started != uint64(starts) || s.Succeeded != s.Started || s.Live != 0 {
		return fmt.Errorf("%+v", s)
	}
	return nil
}

// checkLimitError fills the room.
func checkLimitError(want spawn.LimitError) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	s := &spawn.Spec{Path: "/bin/cat", Limiter: spawn.NewLimiter(200, spawn.RetryFor(0))}
	s.Actions.File(r, 0)
	ctx := context.Background()
	var children []*spawn.Process
	defer func() {
		w.Close()
		for _, p := range children {
			_, _ = p.Wait(ctx)
		}
	}()
	for range 200 {
		p, err := spawn.Start(ctx, s)
		if err == nil {
			children = append(children, p)
			continue
		}
		var limit *spawn.LimitError
		if !errors.As(err, &limit) || !errors.Is(err, unix.EAGAIN) {
			return fmt.Errorf("no limit is named: %w", err)
		}
		if limit.Limit != want.Limit || limit.Value != want.Value || limit.Cgroup != want.Cgroup {
			return fmt.Errorf("%+v, want %+v", *limit, want)
		}
		return nil
	}
	return errors.New("the limit was not reached")
}

// TestLimiterInTurn has starts that pids.max bounds. Those of a user that RLIMIT_NPROC
// bounds are in limitedStarts.
func TestLimiterInTurn(t *testing.T) {
	dir := testCgroup(t, cgroupsWith("pids"))
	if _, err := os.Stat(filepath.Join(dir, "pids.max")); err != nil {
		testenv.Skip(t, "no controller of processes")
	}
	s := spawntest.Helper(t, "starts in turn", dir, strconv.Itoa(testenv.Rounds(300, 10_000)))
	spawntest.Succeeds(t, s)
}

// cgroupsWith is where cgroups are mounted that can have a controller, or "".
func cgroupsWith(controller string) string {
	mount := firstMount("cgroup", controller)
	if mount == "" {
		if mount = firstMount("cgroup2", ""); mount != "" {
			_ = os.WriteFile(filepath.Join(mount, "cgroup.subtree_control"), []byte("+"+controller), 0)
		}
	}
	return mount
}

var _ = testenv.RegisterHelper("starts in turn", func(args []string) int {
	dir := args[0]
	starts, _ := strconv.Atoi(args[1])
	testenv.IdleThreads()
	err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644)
	text, rerr := os.ReadFile(filepath.Join(dir, "pids.current"))
	now, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	most := now + room
	err = errors.Join(err, rerr, os.WriteFile(filepath.Join(dir, "pids.max"), []byte(strconv.Itoa(most)), 0o644))
	if err == nil {
		err = inTurn(starts, spawn.LimitError{Limit: "pids.max", Value: uint64(most), Cgroup: dir})
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

func init() {
	spawntest.UnprivilegedAlone("limited starts", limitedStarts)
}

// limitedStarts is TestLimiterInTurn for RLIMIT_NPROC.
func limitedStarts(string) error {
	testenv.IdleThreads()
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &was); err != nil {
		return err
	}
	most := uint64(threadsOfUser() + room)
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: most, Max: was.Max}); err != nil {
		return err
	}
	return inTurn(200, spawn.LimitError{Limit: "RLIMIT_NPROC", Value: most})
}

// threadsOfUser counts the threads of this process's user.
func threadsOfUser() (n int) {
	list, _ := filepath.Glob("/proc/[0-9]*/task/*")
	for _, dir := range list {
		var st unix.Stat_t
		if unix.Stat(dir, &st) == nil && int(st.Uid) == os.Getuid() {
			n++
		}
	}
	return n
}
