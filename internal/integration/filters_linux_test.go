//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// install gives this process, or the calling thread alone, a filter.
func install(f attr.Seccomp, allThreads bool) error {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	list := make([]unix.SockFilter, len(f.Filter))
	for i, x := range f.Filter {
		list[i] = unix.SockFilter(x)
	}
	if allThreads {
		return rawtest.AddFilterToAll(list)
	}
	return rawtest.AddFilter(list)
}

// ownCalls are calls of the engine's own that a filter may be against.
var ownCalls = map[string]int{
	"clone3": unix.SYS_CLONE3, "close_range": unix.SYS_CLOSE_RANGE, "waitid": unix.SYS_WAITID,
	"pidfd_send_signal": unix.SYS_PIDFD_SEND_SIGNAL, "pidfd_open": unix.SYS_PIDFD_OPEN, "sched_yield": unix.SYS_SCHED_YIELD,
	"ioctl": unix.SYS_IOCTL, "wait4": unix.SYS_WAIT4,
}

// life has children be started, signalled and waited for in all ways.
func life(path string, prog *spawn.Program) error {
	ctx := context.Background()
	for range 3 {
		if state, err := spawn.Run(ctx, &spawn.Spec{Path: path}); err != nil || state.ExitCode() != 7 {
			return fmt.Errorf("Run: %v, %w", state, err)
		}
	}
	if prog != nil {
		if state, err := prog.Run(ctx); err != nil || state.ExitCode() != 7 {
			return fmt.Errorf("Program.Run: %v, %w", state, err)
		}
	}
	if _, err := spawn.Run(ctx, &spawn.Spec{Path: "/missing"}); !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("missing: %w", err)
	}
	p, err := spawn.Start(ctx, sleeper())
	if err != nil {
		return fmt.Errorf("Start: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- p.WaitExited(ctx) }()
	if err := p.Kill(); err != nil {
		return fmt.Errorf("Kill: %w", err)
	}
	if err := <-ended; err != nil {
		return fmt.Errorf("WaitExited: %w", err)
	}
	if state, err := p.Wait(ctx); err != nil || state.Signal() != syscall.SIGKILL {
		return fmt.Errorf("Wait: %v, %w", state, err)
	}
	p, err = spawn.Start(ctx, spawntest.Shell("sleep 0.05; exit 7"))
	if err != nil {
		return fmt.Errorf("Start: %w", err)
	}
	if state, err := p.Wait(ctx); err != nil || state.ExitCode() != 7 {
		return fmt.Errorf("late: %v, %w", state, err)
	}
	return nil
}

// ownFilter is a filter of "ACTION CALL...": an errno, or what kills. It lets the C
// library's own calls pass, which are made from further up: to make threads it uses
// clone3. And the runtime's sched_yield, which has no arguments but what happens to
// be in the registers.
func ownFilter(text string) attr.Seccomp {
	words := strings.Fields(text)
	action := map[string]uint32{
		"process": unix.SECCOMP_RET_KILL_PROCESS, "thread": unix.SECCOMP_RET_KILL_THREAD, "trap": unix.SECCOMP_RET_TRAP,
		"ENOSYS": unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS), "EPERM": unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM),
	}[words[0]]
	load := func(offset uint32) attr.SockFilter {
		return spawntest.BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, offset)
	}
	result := func(k uint32) attr.SockFilter { return spawntest.BPF(unix.BPF_RET|unix.BPF_K, 0, 0, k) }
	unless := func(k uint32, jump uint8) attr.SockFilter {
		return spawntest.BPF(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, 0, jump, k)
	}
	const number = 0
	_, high := raw.Pointer()
	list := []attr.SockFilter{load(high), spawntest.BPF(unix.BPF_JMP|unix.BPF_JGT|unix.BPF_K, 0, 1, ownHigh()), result(unix.SECCOMP_RET_ALLOW)}
	for _, w := range words[1:] {
		if w == "close_range/UNSHARE" {
			list = append(list, load(number), unless(unix.SYS_CLOSE_RANGE, 3), load(raw.LowOfArg(2)), unless(unix.CLOSE_RANGE_UNSHARE, 1), result(action))
			continue
		}
		if w == "sched_yield" {
			list = append(list, load(number), unless(unix.SYS_SCHED_YIELD, 13))
			for i := range 6 {
				list = append(list, load(raw.LowOfArg(i)), unless(0, uint8(11-2*i)))
			}
			list = append(list, result(action))
			continue
		}
		list = append(list, load(number), unless(uint32(ownCalls[w]), 1), result(action))
	}
	return attr.Seccomp{Filter: append(list, result(unix.SECCOMP_RET_ALLOW))}
}

// ownHigh is the highest upper half that an address of a test program's code can have. Code
// that is independent of its position is somewhere within 1 TiB, below the libraries.
func ownHigh() uint32 {
	pc, _, _, _ := runtime.Caller(0)
	high := uint32(uint64(pc) >> 32)
	if high != 0 {
		high += 1 << (40 - 32)
	}
	return high
}

// sleeper is a child that holds nothing of the test's, should that die.
func sleeper() *spawn.Spec {
	return spawntest.WithActions(spawntest.Shell("exec sleep 60"), func(a *spawn.FileActions) { a.Close(1); a.Close(2) })
}

var _ = testenv.RegisterHelper("filtered life", func(args []string) int {
	if err := life(args[0], nil); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Print(spawn.Features())
	return 0
})

var _ = testenv.RegisterHelper("filtered call", func([]string) int {
	_, err := unix.PidfdOpen(os.Getpid(), 0)
	if errors.Is(err, unix.EPERM) {
		return 0
	}
	return testenv.Status(fmt.Errorf("not refused: %v", err))
})

// TestOwnFilter has a filter reach the program's own calls, wherever its code is.
func TestOwnFilter(t *testing.T) {
	s := spawntest.Helper(t, "filtered call")
	s.Attr = attr.List{attr.NoNewPrivs{}, ownFilter("EPERM pidfd_open")}
	spawntest.Succeeds(t, s)
}

// TestKillingFilters has filters that kill for the engine's own calls: the process,
// or the thread, or by a signal that Go does not expect.
func TestKillingFilters(t *testing.T) {
	path := spawntest.Exits(t, 7).Path
	for _, text := range []string{
		"process clone3", "trap clone3", "process close_range", "trap close_range", "process sched_yield", "trap sched_yield",
		"process waitid", "thread waitid", "process pidfd_send_signal", "process ioctl", "process wait4", "process pidfd_open",
		"process clone3 close_range waitid pidfd_send_signal ioctl sched_yield", "thread clone3 close_range wait4 pidfd_open",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			s := spawntest.Helper(t, "filtered life", path)
			s.Attr = attr.List{attr.NoNewPrivs{}, ownFilter(text)}
			spawntest.Succeeds(t, s)
		})
	}
}

// TestFiltersAtFirst has filters that refuse, from before the first start.
func TestFiltersAtFirst(t *testing.T) {
	path := spawntest.Exits(t, 7).Path
	for call := range ownCalls {
		for _, errno := range []string{"ENOSYS", "EPERM"} {
			t.Run(errno+" "+call, func(t *testing.T) {
				t.Parallel()
				s := spawntest.Helper(t, "filtered life", path)
				s.Attr = attr.List{attr.NoNewPrivs{}, ownFilter(errno + " " + call)}
				spawntest.Succeeds(t, s)
			})
		}
	}
}

// TestFiltersAfterFirst has them come when children were started already, and
// again.
func TestFiltersAfterFirst(t *testing.T) {
	path := spawntest.Exits(t, 7).Path
	all := "clone3 close_range waitid pidfd_send_signal ioctl pidfd_open"
	for name, list := range map[string][]string{
		"clone3": {"ENOSYS clone3"}, "close_range": {"EPERM close_range"}, "waitid": {"ENOSYS waitid"}, "not waitid": {"EPERM waitid"},
		"signal": {"ENOSYS pidfd_send_signal"}, "not signal": {"EPERM pidfd_send_signal"}, "all": {"ENOSYS " + all},
		"one by one": {"EPERM ioctl", "EPERM clone3", "ENOSYS close_range", "EPERM pidfd_send_signal", "ENOSYS waitid"},
		"kills":      {"process clone3 close_range waitid pidfd_send_signal"},
		"flag":       {"ENOSYS close_range/UNSHARE"}, "not flag": {"EPERM close_range/UNSHARE"}, "kills flag": {"process close_range/UNSHARE"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spawntest.Succeeds(t, spawntest.Helper(t, "filtered later", append([]string{path}, list...)...))
		})
	}
}

var _ = testenv.RegisterHelper("filtered later", func(args []string) int {
	return testenv.Status(filteredLater(args[0], args[1:]))
})

func filteredLater(path string, texts []string) error {
	prog, err := spawn.Compile(&spawn.Spec{Path: path, Attr: attr.List{attr.SigMask{1, 2}}})
	if err != nil {
		return err
	}
	if err := life(path, prog); err != nil {
		return err
	}
	for _, text := range texts {
		live, err := spawn.Start(context.Background(), sleeper())
		if err != nil {
			return err
		}
		if err := install(ownFilter(text), true); err != nil {
			return err
		}
		if strings.HasPrefix(text, "process") {
			// The next start is what finds out.
			if state, err := prog.Run(context.Background()); err != nil || state.ExitCode() != 7 {
				return fmt.Errorf("%v, %w", state, err)
			}
		}
		var wg sync.WaitGroup
		errs := make([]error, 8)
		for i := range errs {
			wg.Go(func() { _, errs[i] = prog.Run(context.Background()) })
		}
		wg.Wait()
		err = errors.Join(append(errs, live.Kill())...)
		if state, werr := live.Wait(context.Background()); err == nil && (werr != nil || state.Signal() != syscall.SIGKILL) {
			err = fmt.Errorf("Wait of the child from before: %v, %w", state, werr)
		}
		if err == nil {
			err = life(path, prog)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", text, err)
		}
	}
	return nil
}

var _ = testenv.RegisterHelper("room without kill", func([]string) int {
	err := install(spawntest.Refuse(unix.EPERM, unix.SYS_KILL), true)
	for range 2 { // each would take as long as its children sleep
		if errno := raw.RoomFor(2); errno != 0 {
			err = errors.Join(err, errno)
		}
	}
	return testenv.Status(err)
})

// TestRoomWithoutKill has a filter refuse kill(2) where a thread of the engine's own is to
// be made.
func TestRoomWithoutKill(t *testing.T) {
	ended := make(chan error)
	s := spawntest.Helper(t, "room without kill")
	go func() {
		state, err := spawn.Run(t.Context(), s)
		if err == nil && !state.Success() {
			err = state.Err()
		}
		ended <- err
	}()
	if err := testenv.Await(t, "the end of the children that make room", ended); err != nil {
		t.Fatal(err)
	}
}

// TestShortageAtFirst has the first start fail for want of something, and wants no
// worse features of the process for that.
func TestShortageAtFirst(t *testing.T) {
	path, want := spawntest.Exits(t, 7).Path, spawn.Features().String()
	for _, errno := range []syscall.Errno{unix.EAGAIN, unix.ENOMEM, unix.EMFILE, unix.ENFILE, unix.EINTR, unix.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			out := spawntest.Output(t, spawntest.Helper(t, "shortage at first", path, strconv.Itoa(int(errno))))
			if out != want {
				t.Errorf("%s\nwant\n%s", out, want)
			}
		})
	}
	out := spawntest.Output(t, spawntest.Helper(t, "no descriptors at first", path))
	if out != want {
		t.Errorf("without descriptors: %s\nwant\n%s", out, want)
	}
}

var _ = testenv.RegisterHelper("shortage at first", func(args []string) int {
	n, _ := strconv.Atoi(args[1])
	short := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: only this thread is short of anything
		err := install(spawntest.Refuse(syscall.Errno(n), unix.SYS_CLONE3, unix.SYS_CLONE), false)
		if err == nil {
			_, err = spawn.Run(context.Background(), &spawn.Spec{Path: args[0]})
			if errors.Is(err, syscall.Errno(n)) {
				err = nil
			} else {
				err = fmt.Errorf("not the shortage: %w", err)
			}
		}
		short <- err
	}()
	err := <-short
	state, rerr := spawn.Run(context.Background(), &spawn.Spec{Path: args[0]})
	if err := errors.Join(err, rerr); err != nil || state.ExitCode() != 7 {
		fmt.Println(state, err)
		return 1
	}
	fmt.Print(spawn.Features())
	return 0
})

var _ = testenv.RegisterHelper("no descriptors at first", func(args []string) int {
	var was unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was)
	set := unix.Prlimit(0, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: was.Max}, nil)
	_, short := spawn.Run(context.Background(), &spawn.Spec{Path: args[0]})
	if short != nil && !errors.Is(short, unix.EMFILE) {
		fmt.Println(short)
		return 1
	}
	reset := unix.Prlimit(0, unix.RLIMIT_NOFILE, &was, nil)
	state, rerr := spawn.Run(context.Background(), &spawn.Spec{Path: args[0]})
	if err := errors.Join(err, set, reset, rerr); err != nil || state.ExitCode() != 7 {
		fmt.Println(state, err)
		return 1
	}
	fmt.Print(spawn.Features())
	return 0
})

// TestProbeIsUnseen watches for SIGCHLD and children during the first look at the
// kernel, with a filter and without.
func TestProbeIsUnseen(t *testing.T) {
	for _, list := range []attr.List{nil, {attr.NoNewPrivs{}, ownFilter("process clone3 close_range")}} {
		s := spawntest.Helper(t, "probe is unseen")
		s.Attr = list
		spawntest.Succeeds(t, s)
	}
}

var _ = testenv.RegisterHelper("probe is unseen", func([]string) int {
	children := make(chan os.Signal, 10)
	signal.Notify(children, syscall.SIGCHLD)
	before := testenv.Leftovers()
	spawn.Features()
	if problems := testenv.LeftoversSince(before); len(problems) > 0 || len(children) > 0 {
		fmt.Println(problems, len(children))
		return 1
	}
	return 0
})

// TestRecordRefused has a child fail that may not write any more, not even why.
func TestRecordRefused(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		before := testenv.Settled()
		p, err := spawn.Start(t.Context(), &spawn.Spec{
			Path: "/missing", Attr: attr.List{attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_WRITE)},
		})
		var e *spawn.Error
		if p != nil || !errors.As(err, &e) {
			t.Errorf("%v, %v", p, err)
		}
		testenv.CheckFDs(t, before)
	})
}
