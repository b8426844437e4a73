//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// heldSpecs are children that are held up before execve, in ways that are waited for
// in different ways, by a FIFO or a program that writes maps and doesn't end.
func heldSpecs(fifo string) map[string]*spawn.Spec {
	plain := func(list ...attr.Attr) *spawn.Spec {
		s := &spawn.Spec{Path: "/bin/true", Attr: list}
		s.Actions.Open(5, fifo, os.O_RDONLY, 0)
		return s
	}
	inherit := plain()
	inherit.Actions.InheritAll()
	dir := &spawn.Spec{Path: "/bin/true"}
	dir.Actions.Chdir("/")
	dir.Actions.OpenAt(5, -100, fifo, os.O_RDONLY, 0)
	return map[string]*spawn.Spec{
		"open": plain(), "chdir": dir, "InheritAll": inherit, "copied memory": plain(attr.NoHugePages{}),
		"parent death": plain(attr.ParentDeathSignal(unix.SIGTERM)), "id maps": spawntest.MappedBy(":"),
		"scored and mapped": spawntest.MappedBy(":", attr.OOMScoreAdj(500)),
	}
}

// allThreads does something that needs every thread of the process.
func allThreads() { _ = syscall.Setgid(os.Getgid()) }

// TestAllThreadsBesideHeld changes what concerns every thread while children are held
// up before execve, for which other threads wait. It would never return.
func TestAllThreadsBesideHeld(t *testing.T) {
	dir := testenv.PublicDir(t)
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	_, state, err := spawntest.TryOutput(spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}))
	namespaces := err == nil && state.Success()
	spawntest.NewIDHelpers(t, "exec sleep 600")
	for name := range heldSpecs(fifo) {
		t.Run(name, func(t *testing.T) {
			if !namespaces && strings.Contains(name, "map") {
				testenv.Skip(t, "no user namespaces")
			}
			ctx, cancel := context.WithTimeout(context.Background(), 3*testenv.Patience)
			defer cancel()
			s := spawntest.Helper(t, "all threads", name, fifo)
			s.Actions.Inherit(2)
			if state, err := spawn.Run(ctx, s); err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
		})
	}
}

var _ = testenv.RegisterHelper("all threads", func(args []string) int {
	s := heldSpecs(args[1])[args[0]]
	err := spawntest.EachEngineError(func(engine string) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := spawntest.StartHeld(ctx, s)
		allThreads()
		select {
		case r := <-result:
			return fmt.Errorf("it was not held up: %v, %w", r.Process, r.Err)
		default:
		}
		cancel()
		if r := <-result; !errors.Is(r.Err, context.Canceled) {
			return fmt.Errorf("%v, %w", r.Process, r.Err)
		}
		return nil
	})
	return testenv.Status(err)
})

// TestAllThreadsStorm has a goroutine change all threads all the time while others
// start children of every kind.
func TestAllThreadsStorm(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	ctx, cancel := context.WithTimeout(context.Background(), 3*testenv.Patience)
	defer cancel()
	s := spawntest.Helper(t, "all threads storm")
	s.Actions.Inherit(2)
	if state, err := spawn.Run(ctx, s); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

var _ = testenv.RegisterHelper("all threads storm", func([]string) int {
	uid, gid := spawntest.MapOwn()
	kinds := []*spawn.Spec{
		spawntest.Shell(":"), spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}),
		spawntest.Shell(":", attr.NoHugePages{}), spawntest.Shell(":", attr.ParentDeathSignal(unix.SIGTERM)),
		spawntest.WithActions(spawntest.Shell(":"), func(a *spawn.FileActions) { a.Chdir("/") }),
		spawntest.WithActions(spawntest.Shell(":"), func(a *spawn.FileActions) { a.InheritAll() }),
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				allThreads()
			}
		}
	}()
	err := spawntest.EachEngineError(func(string) error {
		return testenv.AtOnce(4, func() error {
			for _, s := range kinds {
				if state, err := spawn.Run(context.Background(), s); err != nil || !state.Success() {
					return fmt.Errorf("%v, %w", state, err)
				}
			}
			return nil
		})
	})
	close(stop)
	<-stopped
	return testenv.Status(err)
})

// TestUnmappedHoldsNothing looks at the descriptors of a child that waits for its id
// maps: only what its program will have, and the end of a pipe; that of another where
// it does not share memory.
func TestUnmappedHoldsNothing(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	dir := testenv.PublicDir(t)
	reached := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(reached, 0o600); err != nil {
		t.Fatal(err)
	}
	spawntest.NewIDHelpers(t, "echo $pid >"+reached+"; exec sleep 600")
	file, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	spawntest.EachEngine(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := make(chan spawntest.Started, 1)
		go func() {
			p, err := spawn.Start(ctx, spawntest.MappedBy(":"))
			result <- spawntest.Started{Process: p, Err: err}
		}()
		pid, err := os.ReadFile(reached)
		if err != nil {
			t.Fatal(err)
		}
		want := 4
		if !spawntest.LendsMemory() {
			want = 5
		}
		fds := "/proc/" + strings.TrimSpace(string(pid)) + "/fd"
		testenv.Eventually(t, fmt.Sprintf("%d descriptors", want), func() bool {
			entries, err := os.ReadDir(fds)
			if errors.Is(err, os.ErrPermission) {
				testenv.Skip(t, "the descriptors of a child are not to be seen: "+err.Error())
			}
			return err == nil && len(entries) == want
		})
		cancel()
		if r := testenv.Await(t, "start", result); !errors.Is(r.Err, context.Canceled) {
			t.Errorf("%+v", r)
		}
	})
}

// TestForkLockHolders starts children beside somebody who holds syscall.ForkLock to
// make descriptors close-on-exec. Only what inherits all of them waits for that, for
// as long as its context lets it.
func TestForkLockHolders(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		all := &spawn.Spec{Path: "/bin/true"}
		all.Actions.InheritAll()
		syscall.ForkLock.RLock()
		var leaky [2]int
		if err := unix.Pipe(leaky[:]); err != nil { // without O_CLOEXEC
			t.Fatal(err)
		}
		out := spawntest.Output(t, spawntest.Shell("ls /proc/self/fd"))
		if n := len(strings.Fields(out)); n != 4 { // 0, 1, 2 and that of ls
			t.Errorf("the child has %q", out)
		}
		before := goleak.IgnoreCurrent()
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		if p, err := spawn.Start(ctx, all); err != context.DeadlineExceeded {
			t.Errorf("beside a reader: %v, %v", p, err)
		}
		unix.Close(leaky[0])
		unix.Close(leaky[1])
		syscall.ForkLock.RUnlock()

		syscall.ForkLock.Lock()
		ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
		defer cancel()
		for _, s := range []*spawn.Spec{all, {Path: "/bin/true", Attr: attr.List{attr.NoHugePages{}}}} {
			if p, err := spawn.Start(ctx, s); err != context.DeadlineExceeded {
				t.Errorf("beside a writer: %v, %v", p, err)
			}
		}
		syscall.ForkLock.Unlock()
		// A writer that has given up and still waits would hold up the next round, which
		// reads twice.
		var err error
		if !testenv.Soon(func() bool { err = goleak.Find(before); return err == nil }) {
			t.Error(err)
		}
		if state, err := spawn.Run(context.Background(), all); err != nil || !state.Success() {
			t.Errorf("afterwards: %v, %v", state, err)
		}
	})
}

// TestForkLockIsReleased makes children with os/exec while one that inherits all
// descriptors is held up.
func TestForkLockIsReleased(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		s, _ := spawntest.Held(t)
		s.Actions.InheritAll()
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		result := spawntest.StartHeld(ctx, s)
		done := make(chan error, 1)
		go func() { done <- osexec.Command("/bin/true").Run() }()
		if err := testenv.Await(t, "os/exec", done); err != nil {
			t.Error(err)
		}
		cancel()
		if r := testenv.Await(t, "start", result); !errors.Is(r.Err, context.Canceled) {
			t.Errorf("%+v", r)
		}
	})
}

// TestCancelOfOthers ends the context of a start whose child has the ids of another
// user by then, so that this process may not kill it: the start ends, and the program
// does not run later.
func TestCancelOfOthers(t *testing.T) {
	testenv.NeedRoot(t)
	dir := testenv.PublicDir(t)
	fifo, ran := filepath.Join(dir, "fifo"), filepath.Join(dir, "ran")
	if err := unix.Mkfifo(fifo, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, dir} {
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	s := spawntest.Helper(t, "cancel of others", fifo, ran)
	spawntest.RunByNobody(t, s)
	s.Attr = append(s.Attr, attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID})
	spawntest.Succeeds(t, s)
	if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the program ran: %v", err)
	}
}

var _ = testenv.RegisterHelper("cancel of others", func(args []string) int {
	s := spawntest.Shell(": >"+args[1], attr.Credential{UID: 4321, GID: 4321})
	s.Actions.Open(5, args[0], os.O_RDONLY, 0)
	err := spawntest.EachEngineError(func(string) error {
		if !spawntest.LendsMemory() {
			return nil // what has memory of its own can't be told
		}
		ctx, cancel := context.WithCancel(context.Background())
		result := spawntest.StartHeld(ctx, s)
		cancel()
		select {
		case r := <-result:
			if !errors.Is(r.Err, context.Canceled) {
				return fmt.Errorf("%v, %w", r.Process, r.Err)
			}
		case <-time.After(testenv.Patience):
			return errors.New("it goes on")
		}
		if !testenv.Soon(func() bool { // a child that had got that far is let go on
			if w, err := os.OpenFile(args[0], os.O_WRONLY|unix.O_NONBLOCK, 0); err == nil {
				defer w.Close()
			}
			return !testenv.HasChild()
		}) {
			return errors.New("the child is left")
		}
		return nil
	})
	return testenv.Status(err)
})

// TestCopiedBesideFrozen makes children with memory of their own while others are
// made that are frozen before they do anything, and have copies of all descriptors.
func TestCopiedBesideFrozen(t *testing.T) {
	dir, _ := testenv.NewCgroup(t)
	if err := os.WriteFile(filepath.Join(dir.Name(), "cgroup.freeze"), []byte("1"), 0); err != nil {
		testenv.Skip(t, "no cgroup.freeze: "+err.Error())
	}
	defer spawntest.Force("close_range")()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	frozen := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.Cgroup{Dir: dir}}}
	copied := &spawn.Spec{Path: "/bin/true", Attr: attr.List{attr.NoHugePages{}}}
	var held []<-chan spawntest.Started
	for range 20 {
		done := make(chan error, 1)
		go func() {
			_, err := spawn.Run(context.Background(), copied)
			done <- err
		}()
		held = append(held, spawntest.StartHeld(ctx, frozen))
		if err := testenv.Await(t, "a copied child", done); err != nil {
			t.Error(err)
		}
	}
	cancel()
	for _, h := range held {
		testenv.Await(t, "frozen child", h)
	}
}

// TestRefusedCalls makes calls of the parent's own fail, and wants an error, or
// success, and nothing to hang or to be left.
func TestRefusedCalls(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	for name, filter := range refusedCalls {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
			defer cancel()
			s := spawntest.Helper(t, "refused calls", name)
			s.Actions.Inherit(2)
			s.Attr = attr.List{attr.NoNewPrivs{}, attr.Seccomp{Filter: filter}}
			if state, err := spawn.Run(ctx, s); err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
		})
	}
}

// refusedCalls are filters for the parent alone: what the child does in another
// manner is let through.
var refusedCalls = map[string][]attr.SockFilter{
	// rt_sigprocmask that blocks signals and asks for the old mask. Where the runtime
	// does so, it sets a mask.
	"block signals": refuseIf(unix.SYS_RT_SIGPROCMASK, filterArg{0, true, unix.SIG_BLOCK}, filterArg{1, false, 0}, filterArg{2, false, 0}),
	"write a byte":  refuseIf(unix.SYS_WRITE, filterArg{2, true, 1}),
	"pipe2":         refuseIf(unix.SYS_PIPE2),
}

// filterArg is one that must be a number, or must not.
type filterArg struct {
	i     int
	equal bool
	value uint32
}

// refuseIf is a filter that lets a call fail with EIO if its arguments are so.
func refuseIf(nr uint32, args ...filterArg) []attr.SockFilter {
	const load = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
	const jeq = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
	n := uint8(2 * len(args))
	f := []attr.SockFilter{{Code: load, K: 0}, {Code: jeq, Jf: n + 1, K: nr}}
	for i, a := range args {
		out := n - uint8(2*i) - 1
		test := attr.SockFilter{Code: jeq, Jf: out, K: a.value}
		if !a.equal {
			test.Jt, test.Jf = out, 0
		}
		f = append(f, attr.SockFilter{Code: load, K: raw.LowOfArg(a.i)}, test)
	}
	return append(f, attr.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EIO)},
		attr.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW})
}

var _ = testenv.RegisterHelper("refused calls", func(args []string) int {
	uid, gid := spawntest.MapOwn()
	mapped := spawntest.Shell(":", attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid})
	plain := spawntest.Shell(":")
	spawn.Features()
	before := testenv.Settled()
	err := spawntest.EachEngineError(func(engine string) error {
		for _, s := range []*spawn.Spec{mapped, plain} {
			p, err := spawn.Start(context.Background(), s)
			if err == nil {
				_, err = p.Wait(context.Background())
			}
			var e *spawn.Error
			if err != nil && !(errors.Is(err, unix.EIO) && errors.As(err, &e)) {
				return err
			}
			if err == nil && (args[0] == "block signals" || args[0] == "pipe2" && s == mapped) {
				return errors.New("no error")
			}
		}
		if leaks := testenv.FDsSince(before); len(leaks) > 0 || !testenv.Soon(func() bool { return !testenv.HasChild() }) {
			return fmt.Errorf("left: %q, or a child", leaks)
		}
		return nil
	})
	return testenv.Status(err)
})

// TestNoRoomForThreads wants an error where no thread and no process more can be
// made, and not the end of the process.
func TestNoRoomForThreads(t *testing.T) {
	s := spawntest.Helper(t, "no room")
	if os.Geteuid() == 0 {
		spawntest.RunByNobody(t, s)
		s.Attr = s.Attr[:len(s.Attr)-1]
		s.Attr = append(s.Attr, attr.Credential{UID: 54321, GID: 54321})
	}
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("no room", func([]string) int {
	list := []attr.List{{attr.ParentDeathSignal(unix.SIGTERM)}, nil}
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // as the runtime ends where it can't make a thread
	testenv.IdleThreads()
	if err := unix.Setrlimit(unix.RLIMIT_NPROC, &unix.Rlimit{Cur: 1, Max: 1}); err != nil {
		fmt.Println(err)
		return 1
	}
	for range 20 {
		for _, l := range list {
			var e *spawn.Error
			if _, err := spawn.Start(context.Background(), spawntest.Shell(":", l...)); !errors.Is(err, unix.EAGAIN) || !errors.As(err, &e) {
				fmt.Println(err)
				return 1
			}
		}
	}
	return 0
})
