//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var stormTime = flag.Duration("storm", 0, "how long each storm of TestStorms takes; 0 for a second, or a minute with -long")

// TestStorms spawns in a process that everything befalls at once: signals, stops, a
// collector without pause, threads that differ from each other, other spawners, thieves of
// statuses, limits that change, and files that are opened without close-on-exec, while it
// has no standard streams. Each child has what its own Spec says, and nothing else.
func TestStorms(t *testing.T) {
	d := *stormTime
	if d == 0 {
		d = time.Duration(testenv.Rounds(1, 60)) * time.Second
	}
	engines := spawntest.Engines()
	if !testenv.Long() {
		engines = []string{"nothing", "anything"}
	}
	row := testenv.Hostile{}
	for _, engine := range engines {
		t.Run("without "+engine, func(t *testing.T) {
			s := spawntest.Helper(t, "storm of everything", engine, d.String(), t.TempDir())
			s.Attr = attr.List{attr.Setpgid{}}
			p, out := spawntest.StartSaying(t, s)
			stopped := make(chan int)
			ended := make(chan struct{})
			go func() { stopped <- stopAndGo(p.Pid(), ended) }()
			said, err := io.ReadAll(out)
			close(ended)
			stops := <-stopped
			state, werr := p.Wait(t.Context())
			if err := errors.Join(err, werr); err != nil || !state.Success() {
				t.Fatalf("%v, %v: %s", state, err, said)
			}
			t.Logf("%s, stop and continue %d", said, stops)
			row.Experiments++
			row.Spawns += counted(string(said), "children")
			row.Faults += counted(string(said), "") - counted(string(said), "children") + stops
		})
	}
	if !t.Failed() { // else it is known that it did
		row.Print(t, "storms")
	}
}

// counted is a number of what run has said, or the sum of all where there is no name.
func counted(said, name string) (sum int) {
	for part := range strings.SplitSeq(said, ", ") {
		at := strings.LastIndexByte(part, ' ')
		if n, err := strconv.Atoi(part[at+1:]); err == nil && (name == "" || part[:at] == name) {
			sum += n
		}
	}
	return sum
}

// stopAndGo stops a group and has it go on, again and again. The leader is not reaped
// until it returns.
func stopAndGo(pgid int, ended <-chan struct{}) (n int) {
	for {
		select {
		case <-ended:
			return n
		case <-time.After(time.Duration(rand.IntN(20)) * time.Millisecond):
			_ = unix.Kill(-pgid, unix.SIGSTOP)
			_ = unix.Kill(-pgid, unix.SIGCONT)
			n++
		}
	}
}

// stormy is the process that everything befalls.
type stormy struct {
	dir    string
	over   atomic.Bool
	failed atomic.Pointer[error] // the first
	seen   sync.Map              // name of a thing that befalls it: *atomic.Int64, how often
}

var _ = testenv.RegisterHelper("storm of everything", func(args []string) int {
	report, err := loseStreams()
	if err != nil {
		return testenv.Status(err)
	}
	d, err := time.ParseDuration(args[1])
	if err != nil {
		return testenv.Status(err)
	}
	defer spawntest.Force(args[0])()
	s := &stormy{dir: args[2]}
	fmt.Fprint(report, s.run(d))
	if s.failed.Load() != nil {
		return 1
	}
	return 0
})

// loseStreams closes the standard streams, and returns what was the standard output.
func loseStreams() (*os.File, error) {
	fd, err := unix.FcntlInt(1, unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		return nil, err
	}
	for n := range 3 {
		if err := unix.Close(n); err != nil {
			return nil, err
		}
	}
	return os.NewFile(uintptr(fd), "report"), nil
}

// run lets everything happen for a time, and at least once. It says how often it did, or what
// went wrong.
func (s *stormy) run(d time.Duration) string {
	debug.SetGCPercent(1)
	var caught = make(chan os.Signal, 1)
	signal.Notify(caught, unix.SIGPROF, unix.SIGURG, unix.SIGCHLD)
	if _, err := spawn.Run(context.Background(), &spawn.Spec{Path: "/bin/true"}); err != nil {
		return err.Error() // before statuses are stolen: now it is known what the kernel has
	}
	before, files := s.portrait(), testenv.Settled()
	var wg sync.WaitGroup
	for name, f := range befalls {
		n := new(atomic.Int64)
		s.seen.Store(name, n)
		wg.Go(func() {
			for over := false; !over; over = s.over.Load() {
				if err := f(s); err != nil {
					s.fail(fmt.Errorf("%s: %w", name, err))
				}
				n.Add(1)
			}
		})
	}
	children := new(atomic.Int64)
	s.seen.Store("children", children)
	for g := range 4 {
		wg.Go(func() {
			for over := false; !over; over = s.over.Load() {
				if err := s.spawn(g); err != nil {
					s.fail(fmt.Errorf("child %d of %d: %w", children.Load(), g, err))
				}
				children.Add(1)
			}
		})
	}
	for end := time.Now().Add(d); time.Now().Before(end) && s.failed.Load() == nil; {
		time.Sleep(time.Millisecond)
	}
	s.over.Store(true)
	wg.Wait()
	s.compare(before, files)
	if err := s.failed.Load(); err != nil {
		return (*err).Error()
	}
	return s.count()
}

// count says what happened how often.
func (s *stormy) count() string {
	var list []string
	s.seen.Range(func(name, n any) bool {
		list = append(list, fmt.Sprintf("%s %d", name, n.(*atomic.Int64).Load()))
		return true
	})
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (s *stormy) fail(err error) { s.failed.CompareAndSwap(nil, &err) }

// portrait is what no start may change of this process.
func (s *stormy) portrait() map[string]string {
	p := map[string]string{}
	text, _ := os.ReadFile("/proc/thread-self/status")
	seen := testenv.ParseSeen(string(text))
	for _, key := range []string{"Umask", "SigIgn", "SigCgt", "Uid", "Gid", "Groups", "CapEff", "NoNewPrivs", "Seccomp"} {
		p[key] = seen.Status[key]
	}
	p["directory"], _ = os.Getwd()
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &limit)
	p["core"] = fmt.Sprint(limit)
	dumpable, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	p["dumpable"] = strconv.Itoa(dumpable)
	return p
}

// compare wants the portrait from before, no file more, and no child.
func (s *stormy) compare(before, files map[string]string) {
	for key, now := range s.portrait() {
		if now != before[key] {
			s.fail(fmt.Errorf("%s: %q, was %q", key, now, before[key]))
		}
	}
	settled := testenv.Soon(func() bool {
		runtime.GC()
		return len(testenv.FDsSince(files)) == 0 && !testenv.HasChild()
	})
	if !settled {
		s.fail(fmt.Errorf("left behind: %v, a child: %v", testenv.FDsSince(files), testenv.HasChild()))
	}
}

// befalls are the things that happen, each once. An error is a defect.
var befalls = map[string]func(s *stormy) error{
	"signals": func(*stormy) error {
		for _, sig := range []syscall.Signal{unix.SIGPROF, unix.SIGURG, unix.SIGCHLD} {
			_ = unix.Kill(os.Getpid(), sig)
		}
		time.Sleep(time.Millisecond)
		return nil
	},
	"growing stacks": func(*stormy) error {
		ended := make(chan int)
		go func() { ended <- deep(2000) }()
		<-ended
		time.Sleep(time.Millisecond)
		return nil
	},
	"odd threads": func(s *stormy) (err error) {
		testenv.OnThread(func() { err = beOdd(s.dir) })
		return err
	},
	"calls of all threads": func(*stormy) error {
		_, _, errno := syscall.AllThreadsSyscall(unix.SYS_PRCTL, unix.PR_SET_KEEPCAPS, 0, 0)
		time.Sleep(time.Millisecond)
		if errno == 0 || errno == unix.ENOTSUP { // with cgo
			return nil
		}
		return errno
	},
	"os/exec": func(*stormy) error {
		_ = osexec.Command("/bin/true").Run() // its status may be stolen
		return nil
	},
	"fork and exec": func(*stormy) error {
		pid, err := syscall.ForkExec("/bin/true", []string{"true"}, &syscall.ProcAttr{Files: []uintptr{100}})
		if err == nil {
			_, _ = syscall.Wait4(pid, nil, 0, nil) // it may be stolen
		}
		return nil // there may be no descriptors
	},
	"thefts": func(*stormy) error {
		for range 8 {
			_, _ = unix.Wait4(-1, nil, unix.WNOHANG, nil)
		}
		time.Sleep(200 * time.Microsecond)
		return nil
	},
	"limits": func(*stormy) error {
		var limit unix.Rlimit
		if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
			return err
		}
		limit.Cur = min(512+uint64(rand.IntN(512)), limit.Max)
		time.Sleep(time.Millisecond)
		return unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	},
	"opens": func(*stormy) error {
		for range 10 {
			fd, err := unix.Open("/dev/null", unix.O_RDWR, 0)
			if err != nil {
				return err
			}
			if fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD, 200); err == nil {
				unix.Close(fd)
			}
			unix.Close(fd)
		}
		time.Sleep(time.Millisecond)
		return nil
	},
}

// deep needs a stack that grows.
func deep(n int) int {
	var room [64]byte
	if n == 0 {
		return int(room[n])
	}
	return deep(n-1) + int(room[n%len(room)])
}

// beOdd gives the calling thread what it does not share with others any more.
func beOdd(dir string) error {
	if !testenv.Lacks(unix.SYS_UNSHARE) {
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return err
		}
		unix.Umask(0o111)
		if err := unix.Chdir(dir); err != nil {
			return err
		}
	}
	if os.Geteuid() == 0 {
		if err := unix.Unshare(unix.CLONE_NEWUTS | unix.CLONE_NEWIPC); err != nil && !errors.Is(err, unix.EPERM) {
			return err
		}
		// Of this thread alone. Another user's identifier would make the memory undumpable.
		if err := rawtest.SetGroups(testenv.Nobody); err != nil {
			return err
		}
	}
	time.Sleep(time.Millisecond)
	return nil
}

// spawn starts a child whose Spec has all that a child may get wrong, and compares.
func (s *stormy) spawn(g int) error {
	dir := filepath.Join(s.dir, strconv.Itoa(g))
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	sig := unix.SIGUSR1 + syscall.Signal(g)
	spec := spawntest.Shell(`pwd -P; echo $PWD_CHECK; for f in /proc/self/fd/*; do echo "fd $f"; done; exec cat /proc/self/status /proc/self/limits`,
		attr.Umask(0o20+g), attr.SigMask{sig}, attr.SigIgnore{unix.SIGHUP}, attr.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: uint64(40 + g), Hard: uint64(50 + g)})
	spec.Env = []string{"PATH=/usr/bin:/bin", "PWD_CHECK=child of " + strconv.Itoa(g)}
	spec.Actions.Chdir(dir)
	spec.Actions.Open(0, "/dev/null", unix.O_RDONLY, 0)
	spec.Actions.File(w, 1)
	spec.Actions.Open(2, "/dev/null", unix.O_WRONLY, 0) // else what "opens" has there
	spec.Actions.File(w, 5+g)
	p, err := spawn.Start(context.Background(), spec)
	w.Close()
	if err != nil {
		return err
	}
	out, rerr := io.ReadAll(r)
	state, err := p.Wait(context.Background())
	if stolen := errors.Is(err, spawn.ErrStatusTaken) && !spawntest.HasStolen(); !stolen && (err != nil || !state.Success()) {
		return fmt.Errorf("%v, %w: %.200s", state, err, out)
	}
	if rerr != nil {
		return rerr
	}
	return s.check(g, dir, sig, string(out))
}

// check compares what a child says with its Spec.
func (s *stormy) check(g int, dir string, sig syscall.Signal, out string) error {
	lines := strings.SplitN(out, "\n", 3)
	if len(lines) != 3 {
		return fmt.Errorf("said %q", out)
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	var fds []string
	for line := range strings.Lines(lines[2]) {
		if fd, ok := strings.CutPrefix(strings.TrimSpace(line), "fd /proc/self/fd/"); ok {
			fds = append(fds, fd)
		}
	}
	seen := testenv.ParseSeen(out)
	got := []string{
		lines[0], lines[1], seen.Status["Umask"], seen.Status["SigBlk"], seen.Status["SigIgn"], fmt.Sprint(seen.Limits["Max open files"]), strings.Join(fds, " "),
	}
	want := []string{
		real, "child of " + strconv.Itoa(g), fmt.Sprintf("%04o", 0o20+g), fmt.Sprintf("%016x", testenv.Sigset(sig)), fmt.Sprintf("%016x", testenv.Sigset(unix.SIGHUP)),
		fmt.Sprint([2]string{strconv.Itoa(40 + g), strconv.Itoa(50 + g)}),
		// The shell reads the directory at the first free number.
		fmt.Sprintf("0 1 2 3 %d", 5+g),
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%q, want %q", got, want)
	}
	return nil
}
