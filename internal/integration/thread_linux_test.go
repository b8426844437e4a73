//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// endThread ends a thread: its goroutine is locked to it.
func endThread() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
	}()
	<-done
}

// howMany is a number of children for the engine of a test: many where nothing is
// missing.
func howMany(t *testing.T) int {
	if strings.HasSuffix(t.Name(), "nothing") && !testing.Short() {
		return testenv.Rounds(300, 1000)
	}
	return 20
}

// TestParentDeathOfThreads makes children that live at the same time, some of them
// from goroutines that are locked to their threads for as long, while other threads
// end, and wants none to get the signal.
func TestParentDeathOfThreads(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		var ends []func()
		var procs []*spawn.Process
		var locked sync.WaitGroup
		over := make(chan struct{})
		for i := range howMany(t) {
			endThread()
			done := make(chan struct{})
			locked.Go(func() {
				if i%20 == 0 {
					runtime.LockOSThread()
					defer func() { <-over }()
				}
				defer close(done)
				p, end := spawntest.LiveChild(t, attr.ParentDeathSignal(unix.SIGKILL))
				ends, procs = append(ends, end), append(procs, p)
			})
			<-done
		}
		time.Sleep(10 * time.Millisecond)
		for i, end := range ends {
			end()
			if state, err := procs[i].Wait(context.Background()); err != nil || !state.Success() {
				t.Errorf("%d: %v, %v", i, state, err)
			}
		}
		close(over)
		locked.Wait()
		t.Logf("%d children", len(procs))
	})
}

// TestParentDies kills the parent of many children, and wants all to end by the
// signal. They would live for as long as a pipe is open.
func TestParentDies(t *testing.T) {
	for name := range spawntest.Without {
		t.Run("without "+name, func(t *testing.T) {
			children := strconv.Itoa(howMany(t))
			parent := spawntest.Helper(t, "dying parent", name, children, spawntest.Cat(t).Path)
			s := spawntest.Helper(t, "reaper", parent.Args...)
			s.Attr = attr.List{attr.ChildSubreaper{}}
			var fds [2]int
			if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
				t.Fatal(err)
			}
			r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
			defer r.Close()
			giveUp := time.AfterFunc(5*testenv.Patience, func() { w.Close() })
			defer w.Close()
			defer giveUp.Stop()
			s.Actions.File(r, 0)
			if got, want := spawntest.Output(t, s), children+" got signal 15, 0 did not"; got != want {
				t.Errorf("%q, want %q", got, want)
			}
		})
	}
}

// It kills the parent when that has its children, and reaps these.
var _ = testenv.RegisterHelper("reaper", func(args []string) int {
	exe, err := os.Executable()
	if err != nil {
		return 1
	}
	r, w, err := os.Pipe()
	if err != nil {
		return 1
	}
	s := &spawn.Spec{Path: exe, Args: args}
	s.Actions.File(w, 1)
	p, err := spawn.Start(context.Background(), s)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	w.Close()
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "ready\n" {
		fmt.Printf("%q %v", line, err)
	}
	if err := p.Kill(); err != nil {
		fmt.Println(err)
	}
	if state, err := p.Wait(context.Background()); err != nil || state.Signal() != unix.SIGKILL {
		fmt.Println(state, err)
	}
	var got, not int
	for {
		var status unix.WaitStatus
		if _, err := unix.Wait4(-1, &status, 0, nil); err == unix.ECHILD {
			break
		} else if err == nil && status.Signaled() && status.Signal() == unix.SIGTERM {
			got++
		} else if err == nil {
			not++
		}
	}
	fmt.Printf("%d got signal %d, %d did not", got, unix.SIGTERM, not)
	return 0
})

var _ = testenv.RegisterHelper("dying parent", func(args []string) int {
	spawntest.Force(args[0])
	list := attr.List{attr.ParentDeathSignal(unix.SIGTERM)}
	if os.Geteuid() == 0 {
		list = append(list, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}) // which clears the signal
	}
	children, _ := strconv.Atoi(args[1])
	for i := range children {
		if i%10 == 0 {
			endThread()
		}
		if _, err := spawn.Start(context.Background(), &spawn.Spec{Path: args[2], Attr: list}); err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Println("ready")
	time.Sleep(time.Hour)
	return 1
})

// TestParentDiedBefore kills the parent while the child can't get any further.
func TestParentDiedBefore(t *testing.T) {
	parent := spawntest.Helper(t, "parent of frozen")
	dir, _ := testenv.NewCgroup(t)
	freeze := filepath.Join(dir.Name(), "cgroup.freeze")
	if err := os.WriteFile(freeze, []byte("1"), 0); err != nil {
		testenv.Skip(t, "no cgroup.freeze: "+err.Error())
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent.Args = append(parent.Args, dir.Name())
	p := spawntest.Start(t, spawntest.WithActions(parent, func(a *spawn.FileActions) { a.File(w, 1) }))
	w.Close()
	testenv.Eventually(t, "a process in the cgroup", func() bool {
		procs, err := os.ReadFile(filepath.Join(dir.Name(), "cgroup.procs"))
		return len(procs) > 0 || err != nil
	})
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if state, err := p.Wait(context.Background()); err != nil || !state.Signaled() {
		t.Error(state, err)
	}
	if err := os.WriteFile(freeze, []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	if out, err := io.ReadAll(r); err != nil || len(out) > 0 {
		t.Errorf("the child ran: %q, %v", out, err)
	}
}

var _ = testenv.RegisterHelper("parent of frozen", func(args []string) int {
	dir, err := os.Open(args[0])
	if err == nil {
		_, err = spawn.Run(context.Background(),
			spawntest.Shell("echo ran; exec sleep 5", attr.Cgroup{Dir: dir}, attr.ParentDeathSignal(unix.SIGKILL)))
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
})

// TestParentDiedUnmapped kills the parent of a child whose id maps are still to be
// written, by a program that doesn't end.
func TestParentDiedUnmapped(t *testing.T) {
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	reached := filepath.Join(testenv.PublicDir(t), "fifo")
	if err := unix.Mkfifo(reached, 0o600); err != nil {
		t.Fatal(err)
	}
	spawntest.NewIDHelpers(t, "echo $$ >"+reached+"; exec sleep 600")
	for name := range spawntest.Without {
		t.Run("without "+name, func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			p := spawntest.Start(t, spawntest.WithActions(spawntest.Helper(t, "parent of unmapped", name), func(a *spawn.FileActions) { a.File(w, 1) }))
			w.Close()
			line := testenv.LineFrom(t, reached)
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			if _, err := p.Wait(context.Background()); err != nil {
				t.Error(err)
			}
			if out, err := io.ReadAll(r); err != nil || len(out) > 0 {
				t.Errorf("the child ran: %q, %v", out, err)
			}
			if pid, err := strconv.Atoi(line); err != nil || unix.Kill(pid, unix.SIGKILL) != nil {
				t.Errorf("no helper %q, %v", line, err)
			}
		})
	}
}

var _ = testenv.RegisterHelper("parent of unmapped", func(args []string) int {
	spawntest.Force(args[0])
	_, err := spawn.Run(context.Background(), spawntest.MappedBy("echo ran; exec sleep 5"))
	fmt.Fprintln(os.Stderr, err)
	return 1
})

// onOddThread calls f on a thread that is not like the others, and ends it. It is
// not the main thread: Go never ends that.
func onOddThread(t *testing.T, change func() error, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			onOddThread(t, change, f)
			runtime.UnlockOSThread()
			return
		}
		if err := change(); err != nil {
			t.Error(err)
			return
		}
		f()
	}()
	<-done
}

// TestParentDeathOnOddThread wants what the calling thread has, and the signal
// when it ends.
func TestParentDeathOnOddThread(t *testing.T) {
	noNewPrivs := func() error { return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }
	spawntest.EachEngine(t, func(t *testing.T) {
		var p *spawn.Process
		onOddThread(t, noNewPrivs, func() {
			if s := spawntest.SeenWith(t, attr.ParentDeathSignal(unix.SIGKILL)); s.Status["NoNewPrivs"] != "1" {
				t.Errorf("NoNewPrivs %q", s.Status["NoNewPrivs"])
			}
			p = spawntest.Start(t, spawntest.Shell("exec sleep 100", attr.ParentDeathSignal(unix.SIGTERM)))
		})
		if state, err := p.Wait(context.Background()); err != nil || state.Signal() != unix.SIGTERM {
			t.Errorf("%v, %v", state, err)
		}
		if s := spawntest.SeenWith(t, attr.ParentDeathSignal(unix.SIGKILL)); s.Status["NoNewPrivs"] != "0" {
			t.Errorf("elsewhere: NoNewPrivs %q", s.Status["NoNewPrivs"])
		}
	})
}

// TestParentDeathInOtherNamespace is the same with a namespace.
func TestParentDeathInOtherNamespace(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUTS)
	spawntest.EachEngine(t, func(t *testing.T) {
		onOddThread(t, func() error { return unix.Unshare(unix.CLONE_NEWUTS) }, func() {
			got := spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(attr.ParentDeathSignal(unix.SIGKILL))))
			if own := spawntest.NamespacesOf("thread-self")["uts"]; got["uts"] != own {
				t.Errorf("%q, want %q", got["uts"], own)
			}
		})
		got := spawntest.ParseNamespaces(spawntest.Output(t, spawntest.Namespaces(attr.ParentDeathSignal(unix.SIGKILL))))
		if own := spawntest.NamespacesOf("self")["uts"]; got["uts"] != own {
			t.Errorf("elsewhere: %q, want %q", got["uts"], own)
		}
	})
}

// TestPtrace traces a child up to its first stop.
func TestPtrace(t *testing.T) {
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
	spawntest.EachEngine(t, func(t *testing.T) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			p := spawntest.Start(t, spawntest.Shell("exit 3", attr.Ptrace{}, attr.ParentDeathSignal(unix.SIGKILL)))
			var status unix.WaitStatus
			if _, err := unix.Wait4(p.Pid(), &status, 0, nil); err != nil || status.StopSignal() != unix.SIGTRAP {
				t.Errorf("%#x, %v", status, err)
			}
			if exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", p.Pid())); err != nil || strings.HasSuffix(exe, ".test") {
				t.Error(exe, err)
			}
			if err := unix.PtraceDetach(p.Pid()); err != nil {
				t.Error(err)
			}
			if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 3 {
				t.Errorf("%v, %v", state, err)
			}
		}()
		<-done
	})
}

// TestWaitWhileTraced waits for a child that is at its first stop, which is not
// its end.
func TestWaitWhileTraced(t *testing.T) {
	testenv.NeedCall(t, "ptrace", unix.SYS_PTRACE)
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			p := spawntest.Start(t, spawntest.Shell("exit 3", attr.Ptrace{}))
			testenv.Soon(func() bool {
				return strings.HasPrefix(testenv.StatusOf(t, fmt.Sprint(p.Pid())).Status["State"], "t")
			})
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			if err := p.WaitExited(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			ctx, cancel = context.WithTimeout(context.Background(), 5*time.Millisecond)
			defer cancel()
			if _, err := p.Wait(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
			var stop unix.WaitStatus // is still there
			if pid, err := unix.Wait4(p.Pid(), &stop, unix.WNOHANG, nil); pid != p.Pid() || stop.StopSignal() != unix.SIGTRAP {
				t.Errorf("%d, %#x, %v", pid, stop, err)
			}
			if err := unix.PtraceDetach(p.Pid()); err != nil {
				t.Error(err)
			}
			if state, err := p.Wait(context.Background()); err != nil || state.ExitCode() != 3 {
				t.Errorf("%v, %v", state, err)
			}
		})
	})
}
