//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// firstMount is where a file system of a type is mounted, with an option if that is
// not empty.
func firstMount(fsType, option string) string {
	text, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) > 3 && f[2] == fsType && (option == "" || strings.Contains(","+f[3]+",", ","+option+",")) {
			if _, err := os.Stat(f[1]); err == nil { // else another mount hides it
				return f[1]
			}
		}
	}
	return ""
}

// TestNotACgroup has directories that no child can be made in: the error says what
// they are.
func TestNotACgroup(t *testing.T) {
	dirs := map[string]string{t.TempDir(): "in another file system", "/proc/self/status": "in another file system"}
	if v1 := firstMount("cgroup", ""); v1 != "" {
		dirs[v1] = "version 1"
	}
	if v2 := firstMount("cgroup2", ""); v2 != "" {
		dirs[filepath.Join(v2, "cgroup.procs")] = "a file of a cgroup"
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		for dir, what := range dirs {
			f, err := os.Open(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Umask(0), attr.Cgroup{Dir: f}}})
			var e *spawn.Error
			if !errors.As(err, &e) || e.Step != "cgroup" || e.Index != 1 || e.Object != dir ||
				!errors.Is(err, unix.EBADF) || !errors.Is(err, unix.EINVAL) || !strings.Contains(e.Hint, what) {
				t.Errorf("%s: %v (%#v)", dir, err, err)
			}
		}
	})
}

// testCgroup makes a cgroup below one that is mounted.
func testCgroup(t *testing.T, mount string) string {
	t.Helper()
	testenv.NeedRoot(t)
	if mount == "" {
		testenv.Skip(t, "no such cgroups")
	}
	dir, err := os.MkdirTemp(mount, "spawn-test-")
	if err != nil {
		testenv.Skip(t, "no cgroup can be made: "+err.Error())
	}
	t.Cleanup(func() { testenv.RemoveCgroup(t, dir) })
	return dir
}

// TestInvalidDomain has a cgroup for which the kernel says EOPNOTSUPP although it
// has all that is needed.
func TestInvalidDomain(t *testing.T) {
	dir := testCgroup(t, firstMount("cgroup2", ""))
	threads, invalid := filepath.Join(dir, "threads"), filepath.Join(dir, "invalid")
	if err := errors.Join(os.Mkdir(threads, 0o755), os.Mkdir(invalid, 0o755)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testenv.RemoveCgroup(t, threads); testenv.RemoveCgroup(t, invalid) })
	if err := os.WriteFile(filepath.Join(threads, "cgroup.type"), []byte("threaded"), 0o644); err != nil {
		testenv.Skip(t, "no threaded cgroups: "+err.Error())
	}
	f, err := os.Open(invalid)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	spawntest.EachEngine(t, func(t *testing.T) {
		s := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Cgroup{Dir: f}}}
		checkTold(t, s, told{invalid, unix.EOPNOTSUPP, []string{"domain invalid"}})
		if _, err := spawn.Start(context.Background(), s); errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("%v: the kernel has cgroups", err)
		}
	})
}

// TestFullCgroup has as many processes as there may be in the parent of the own
// cgroup.
func TestFullCgroup(t *testing.T) {
	s := spawntest.Helper(t, "full cgroup")
	dir := testCgroup(t, cgroupsWith("pids"))
	inner := filepath.Join(dir, "inner")
	if _, err := os.Stat(filepath.Join(dir, "pids.max")); err != nil {
		testenv.Skip(t, "no controller of processes")
	}
	if err := os.Mkdir(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { testenv.RemoveCgroup(t, inner) })
	s.Args = append(s.Args, dir, inner)
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("full cgroup", func(args []string) int {
	dir, inner := args[0], args[1]
	testenv.IdleThreads()
	err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0o644)
	now, rerr := os.ReadFile(filepath.Join(dir, "pids.current"))
	n := strings.TrimSpace(string(now))
	err = errors.Join(err, rerr, os.WriteFile(filepath.Join(dir, "pids.max"), []byte(n), 0o644))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return tells(map[*spawn.Spec]told{{Path: "/bin/true"}: {"", unix.EAGAIN, []string{"pids.max of " + n, dir}}})
})

// TestNumbersUsedUp has a pid namespace with few numbers.
func TestNumbersUsedUp(t *testing.T) {
	s := spawntest.Helper(t, "numbers used up", testenv.Program(t, filepath.Join(t.TempDir(), "true"), 0), spawntest.Cat(t).Path)
	testenv.NeedRoot(t)
	const flags = unix.CLONE_NEWPID | unix.CLONE_NEWNS
	spawntest.NeedNamespaces(t, flags)
	s.Attr = attr.List{
		attr.Namespaces{Flags: flags},
		attr.Mounts{{Source: "proc", Target: "/proc", FSType: "proc"}},
	}
	out, state, err := spawntest.TryOutput(s)
	if err == nil && state.ExitCode() == 2 {
		testenv.Skip(t, "kernel.pid_max is for all")
	}
	if err != nil || !state.Success() {
		t.Errorf("%v, %v: %s", state, err, out)
	}
}

var _ = testenv.RegisterHelper("numbers used up", func(args []string) int {
	before, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	var major, minor int
	if _, err := fmt.Sscanf(string(before), "%d.%d", &major, &minor); err != nil || major < 6 || major == 6 && minor < 14 {
		return 2
	}
	testenv.IdleThreads()
	const most = 340
	if err := os.WriteFile("/proc/sys/kernel/pid_max", []byte(strconv.Itoa(most)), 0); err != nil {
		fmt.Println(err)
		return 1
	}
	for range most {
		if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: args[0]}); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return 1
	}
	live := &spawn.Spec{Path: args[1]}
	live.Actions.Dup2(fds[0], 0)
	var children []*spawn.Process
	var err error
	for err == nil {
		var p *spawn.Process
		if p, err = spawn.Start(context.Background(), live); err == nil {
			children = append(children, p)
		}
	}
	how := told{"", unix.EAGAIN, []string{"kernel.pid_max of 340"}}.differs(err)
	unix.Close(fds[1])
	for _, p := range children {
		_, _ = p.Wait(context.Background())
	}
	if how != "" {
		fmt.Printf("%v: want %s\n", err, how)
		return 1
	}
	return 0
})

// TestTooManyNamespaces has limits of namespaces that are 0.
func TestTooManyNamespaces(t *testing.T) {
	asMappedRoot(t, "too many namespaces", unix.CLONE_NEWNS)
}

var _ = testenv.RegisterHelper("too many namespaces", func([]string) int {
	for _, kind := range []string{"uts", "user"} {
		if err := os.WriteFile("/proc/sys/user/max_"+kind+"_namespaces", []byte("0"), 0); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	newOnes := func(flags uint) *spawn.Spec {
		return &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Namespaces{Flags: flags}}}
	}
	unshare := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Unshare{Flags: unix.CLONE_NEWUTS | unix.CLONE_NEWNET}}}
	return tells(map[*spawn.Spec]told{
		newOnes(unix.CLONE_NEWUTS | unix.CLONE_NEWIPC): {"uts,ipc", unix.ENOSPC, []string{"user.max_uts_namespaces is 0"}},
		newOnes(unix.CLONE_NEWUSER):                    {"user", unix.ENOSPC, []string{"user.max_user_namespaces is 0"}},
		unshare:                                        {"uts,net", unix.ENOSPC, []string{"user.max_uts_namespaces is 0"}},
	})
})

// TestInitHasEnded has a thread whose children were to be in a pid namespace that
// has had its day.
func TestInitHasEnded(t *testing.T) {
	asMappedRoot(t, "init has ended", 0)
}

var _ = testenv.RegisterHelper("init has ended", func([]string) int {
	runtime.LockOSThread()
	spawn.Features() // which may make a child to find out
	if err := unix.Unshare(unix.CLONE_NEWPID); err != nil {
		fmt.Println(err)
		return 1
	}
	if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/bin/true"}); err != nil {
		fmt.Println(err)
		return 1
	}
	return tells(map[*spawn.Spec]told{{Path: "/bin/true"}: {"", unix.ENOMEM, []string{"init of the pid namespace"}}})
})

func init() {
	spawntest.Unprivileged("limit of processes", limitOfProcesses)
}

// limitOfProcesses wants RLIMIT_NPROC, its value and who has reached it.
func limitOfProcesses(string) error {
	err := spawntest.StartAtLimit()
	w := told{"", unix.EAGAIN, []string{"RLIMIT_NPROC of 1", "uid " + strconv.Itoa(os.Getuid())}}
	if how := w.differs(err); how != "" {
		return fmt.Errorf("%w: want %s", err, how)
	}
	return nil
}
