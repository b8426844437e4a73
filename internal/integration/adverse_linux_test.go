//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// starter is a way to run a program.
type starter struct {
	name string
	run  func(path string) error
}

// starters are compared. A child of fork has a copy of the memory, as the engine makes
// one where memory can't be shared.
var adverseStarters = []starter{
	{"spawn", runHere},
	{"spawn/exec", func(path string) error { return exec.Command(path).Run() }},
	{"os/exec", func(path string) error { return osexec.Command(path).Run() }},
	{"fork", func(path string) error {
		defer spawntest.Force("shared_memory")()
		return runHere(path)
	}},
}

func runHere(path string) error {
	state, err := spawn.Run(context.Background(), &spawn.Spec{Path: path})
	return errors.Join(err, state.Err())
}

// situation is a process that is short of something. It has the directory of a cgroup,
// where it needs one, and returns what puts an end to the shortage.
type situation struct {
	name   string
	cgroup string // its controller
	begin  func(dir string) (end func() error, err error)
	fails  map[string][]unix.Errno // by starter; who is not there succeeds
	kills  []string                // starters that may be killed instead
}

var situations = []situation{
	{"memory cgroup at its limit", "memory", fillMemoryCgroup, tablesFail(), []string{"fork"}},
	{"overcommit_memory=2, 80 % taken", "", commitMost, map[string][]unix.Errno{"fork": {unix.ENOMEM}}, nil},
	{"pids.max reached", "pids", fillPids,
		map[string][]unix.Errno{"spawn": {unix.EAGAIN}, "spawn/exec": {unix.EAGAIN}, "os/exec": {unix.EAGAIN}, "fork": {unix.EAGAIN}}, nil},
	{"RLIMIT_NOFILE reached", "", fillFiles,
		map[string][]unix.Errno{"spawn": {unix.EMFILE}, "spawn/exec": {unix.EMFILE}, "os/exec": {unix.EMFILE}, "fork": {unix.EMFILE}}, nil},
}

// tablesFail is who has no room for a copy of the page tables of fillMemoryCgroup. With pages
// of 16 KiB they are a quarter as large, and less than its margin.
func tablesFail() map[string][]unix.Errno {
	if os.Getpagesize() > 4096 {
		return nil
	}
	return map[string][]unix.Errno{"fork": {unix.ENOMEM}}
}

// TestAdverse brings a process into each situation, for each starter: it succeeds or
// says what is wrong, and as soon as the situation is over it succeeds. With -v it
// prints a table. What concerns the whole system is only done in a virtual machine, by
// .ci/adverse.
func TestAdverse(t *testing.T) {
	for _, s := range situations {
		t.Run(s.name, func(t *testing.T) {
			if s.name == situations[1].name && os.Getenv("SPAWN_TEST_VM") == "" {
				testenv.Skip(t, "concerns the whole system")
			}
			if strings.HasPrefix(s.name, "RLIMIT_NOFILE") {
				spawntest.NeedPidfd(t) // else a start needs no descriptor
			}
			program := testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 0)
			for _, who := range adverseStarters {
				dir := ""
				if s.cgroup != "" {
					dir = cgroupWith(t, s.cgroup)
				}
				out, state, err := spawntest.TryOutput(spawntest.Helper(t, "adverse", s.name, who.name, dir, program))
				if err != nil {
					t.Fatal(err)
				}
				if state.ExitCode() == cannot {
					testenv.Skip(t, out)
				}
				out = strings.TrimSpace(out)
				if state.Signal() == unix.SIGKILL {
					out = "the parent is killed"
				}
				t.Logf("| %s | %s | %s |", s.name, who.name, out)
				if killed := slices.Contains(s.kills, who.name) && state.Signal() == unix.SIGKILL; !killed && !state.Success() {
					t.Errorf("%s, %s: %v: %s", s.name, who.name, state, out)
				}
			}
		})
	}
}

// cgroupWith is a new cgroup with a controller, whose version may be 1.
func cgroupWith(t *testing.T, controller string) string {
	t.Helper()
	testenv.NeedRoot(t)
	mount := cgroupsWith(controller)
	if mount == "" {
		testenv.Skip(t, "no cgroups")
	}
	dir, err := os.MkdirTemp(mount, "spawn-test-")
	if err != nil {
		testenv.Skip(t, "no cgroup can be made: "+err.Error())
	}
	t.Cleanup(func() { testenv.RemoveCgroup(t, dir) })
	return dir
}

var _ = testenv.RegisterHelper("adverse", func(args []string) int {
	name, who, dir, program := args[0], args[1], args[2], args[3]
	s := situations[slices.IndexFunc(situations, func(s situation) bool { return s.name == name })]
	run := adverseStarters[slices.IndexFunc(adverseStarters, func(s starter) bool { return s.name == who })].run
	if err := run(program); err != nil { // what is made once is made here
		fmt.Println(err)
		return 1
	}
	before := testenv.FilesAndChildren()
	end, err := s.begin(dir)
	if errors.Is(err, errSkip) {
		fmt.Print(err)
		return cannot
	} else if err != nil {
		fmt.Println("not brought about:", err)
		return 1
	}
	err = run(program)
	if ended := end(); ended != nil {
		fmt.Println("not ended:", ended)
		return 1
	}
	again := run(program)
	left := testenv.FilesAndChildren()
	fmt.Println(outcome(err))
	errnos, fails := s.fails[who]
	switch {
	case (err != nil) != fails:
		fmt.Println("not expected")
	case fails && !slices.ContainsFunc(errnos, func(n unix.Errno) bool { return errors.Is(err, n) }):
		fmt.Println("another error was expected")
	case again != nil:
		fmt.Println("afterwards:", again)
	case len(left) > len(before):
		fmt.Println("left behind:", left, before)
	default:
		return 0
	}
	return 1
})

func outcome(err error) string {
	if err == nil {
		return "succeeds"
	}
	return err.Error()
}

// cannot is the status of a helper that can't bring a situation about, which is not one
// of a program that Go ends.
const cannot = 77

var errSkip = errors.New("can't be brought about here")

// joinCgroup moves this process to a cgroup. It returns what moves it back.
func joinCgroup(dir string) (leave func() error, err error) {
	pid := []byte(strconv.Itoa(os.Getpid()))
	return func() error { return os.WriteFile(filepath.Join(filepath.Dir(dir), "cgroup.procs"), pid, 0) },
		os.WriteFile(filepath.Join(dir, "cgroup.procs"), pid, 0)
}

// touch is memory of this process alone, in pages of the smallest size, in use. A copy of
// its page tables takes a 512th of it.
func touch(bytes int) ([]byte, error) {
	memory, err := unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, err
	}
	_ = unix.Madvise(memory, unix.MADV_NOHUGEPAGE)
	for i := 0; i < len(memory); i += os.Getpagesize() {
		memory[i] = 1
	}
	return memory, nil
}

// fillMemoryCgroup leaves less memory than a copy of the page tables takes, and more
// than a small program.
func fillMemoryCgroup(dir string) (func() error, error) {
	const most, margin = 512 << 20, 700 << 10
	leave, err := joinCgroup(dir)
	if err != nil {
		return nil, err
	}
	memory, err := touch(most)
	if err != nil {
		return nil, err
	}
	usage, limit, swap := "memory.current", "memory.max", "memory.swap.max"
	if _, err := os.Stat(filepath.Join(dir, usage)); err != nil {
		usage, limit, swap = "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.swappiness"
	}
	_ = os.WriteFile(filepath.Join(dir, swap), []byte("0"), 0)
	text, err := os.ReadFile(filepath.Join(dir, usage))
	if err != nil {
		return nil, err
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, err
	}
	return func() error { return errors.Join(leave(), unix.Munmap(memory)) },
		os.WriteFile(filepath.Join(dir, limit), []byte(strconv.Itoa(now+margin)), 0)
}

// commitMost has the kernel promise no more memory than it has, and takes most of it.
func commitMost(string) (func() error, error) {
	const file = "/proc/sys/vm/overcommit_memory"
	was, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	restore := func() error { return os.WriteFile(file, was, 0) }
	if err := os.WriteFile(file, []byte("2"), 0); err != nil {
		return nil, err
	}
	limit, committed := memInfo("CommitLimit"), memInfo("Committed_AS")
	take := limit*8/10 - committed
	if take < limit/2 {
		return nil, errors.Join(fmt.Errorf("%w: %d of %d bytes are taken", errSkip, committed, limit), restore())
	}
	memory, err := unix.Mmap(-1, 0, take, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, errors.Join(err, restore())
	}
	return func() error { return errors.Join(restore(), unix.Munmap(memory)) }, nil
}

// memInfo is a line of /proc/meminfo, in bytes.
func memInfo(name string) int {
	text, _ := os.ReadFile("/proc/meminfo")
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			kb, _ := strconv.Atoi(strings.Fields(value)[0])
			return kb << 10
		}
	}
	return 0
}

// fillPids allows no more processes than there are.
func fillPids(dir string) (func() error, error) {
	testenv.IdleThreads()
	leave, err := joinCgroup(dir)
	if err != nil {
		return nil, err
	}
	now, err := os.ReadFile(filepath.Join(dir, "pids.current"))
	if err != nil {
		return nil, err
	}
	return leave, os.WriteFile(filepath.Join(dir, "pids.max"), now, 0)
}

// fillFiles opens as many files as may be open.
func fillFiles(string) (func() error, error) {
	var was unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &was); err != nil {
		return nil, err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 100, Max: was.Max}); err != nil {
		return nil, err
	}
	var fds []int
	for {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			break
		}
		fds = append(fds, fd)
	}
	return func() error {
		for _, fd := range fds {
			unix.Close(fd)
		}
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &was)
	}, nil
}
