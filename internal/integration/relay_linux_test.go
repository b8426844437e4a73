//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	osexec "os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// relayed are attributes for which a first child makes the child.
func relayed(t *testing.T) attr.List {
	t.Helper()
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	uid, gid := spawntest.MapOwn()
	return attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}, attr.OOMScoreAdj(700)}
}

// TestScoreOfMapped wants the score of a child with maps to be its own, this process's
// to be as before, and the memory not to be copied.
func TestScoreOfMapped(t *testing.T) {
	list := relayed(t)
	own := func() string {
		text, err := os.ReadFile("/proc/self/oom_score_adj")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	before := own()
	if os.Geteuid() == 0 && !heldShares(t, list) { // nobody else may look
		t.Error("the memory was copied")
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		checkRelaySteps(t, spawntest.Shell(":", list...))
		inherit := spawntest.Shell("cat /proc/self/oom_score_adj; echo $PPID", attr.OOMScoreAdj(700))
		inherit.Actions.InheritAll()
		for name, s := range map[string]*spawn.Spec{"maps": spawntest.Shell("cat /proc/self/oom_score_adj; echo $PPID", list...), "all": inherit} {
			out, state, err := spawntest.TryOutput(s)
			if f := strings.Fields(out); err != nil || !state.Success() || len(f) != 2 || f[0] != "700" {
				t.Errorf("%s: %q, %v, %v", name, out, state, err)
			}
		}
		if after := own(); after != before {
			t.Errorf("score of this process is %s, was %s", after, before)
		}
	})
}

// checkRelaySteps looks at the two clones of a start with a relay.
func checkRelaySteps(t *testing.T, s *spawn.Spec) {
	t.Helper()
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	if !spawntest.LendsMemory() {
		return // no relay
	}
	pidfd := spawn.Features().Has(spawn.FeaturePidfd) && spawn.Features().Has(spawn.FeatureClone3)
	for i, step := range slices.DeleteFunc(p.Steps(), func(s spawn.Step) bool { return s.Name != spawn.StepClone || !strings.HasPrefix(s.Syscall, "clone") }) {
		text := fmt.Sprint(step.Args)
		for flag, want := range map[string]bool{"CLONE_VM": true, "CLONE_PARENT|": i == 1, "CLONE_PIDFD": i == 1 && pidfd, "SIGCHLD": false} {
			if strings.Contains(text, flag) != want {
				t.Errorf("step %d: %s: %v: %+v", i, flag, !want, step)
			}
		}
		if step.Parent != (i == 0) {
			t.Errorf("step %d: %+v", i, step)
		}
	}
}

// heldByMaps is a Spec whose maps a program writes that does not end, and the file in which
// that says who is who.
func heldByMaps(t *testing.T) (s *spawn.Spec, file string) {
	t.Helper()
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	file = filepath.Join(testenv.PublicDir(t), "pids")
	spawntest.NewIDHelpers(t, "echo $pid $PPID $$ >"+file+".new; mv "+file+".new "+file+"; exec sleep 600")
	return spawntest.MappedBy(":", attr.OOMScoreAdj(700)), file
}

// relayedStart has the processes of a start that is held up by its maps: the child, the first
// child that has made it, their parent, and the one that is to write the maps.
type relayedStart struct{ child, relay, parent, writer int }

func awaitScored(t *testing.T, file string) (h relayedStart) {
	t.Helper()
	testenv.Eventually(t, "the maps are to be written", func() bool {
		text, _ := os.ReadFile(file)
		_, err := fmt.Sscan(string(text), &h.child, &h.parent, &h.writer)
		return err == nil
	})
	os.Remove(file)
	for _, pid := range childrenOf(h.parent) {
		if pid != h.child && pid != h.writer {
			h.relay = pid
		}
	}
	if h.relay == 0 {
		t.Fatalf("no first child beside %+v", h)
	}
	return h
}

// childrenOf are the children of a process, threads of which may have made them.
func childrenOf(parent int) (pids []int) {
	processes(func(pid int, _, of string) {
		if of == strconv.Itoa(parent) {
			pids = append(pids, pid)
		}
	})
	return pids
}

// TestParentOfScoredDies wants nothing to be left of a start whose process is killed
// while the child waits for its maps, which it shall not do for ever.
func TestParentOfScoredDies(t *testing.T) {
	_, file := heldByMaps(t)
	cmd := osexec.Command(testenv.Self(t))
	cmd.Args, cmd.Stderr = testenv.HelperArgs("start scored"), os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := awaitScored(t, file)
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = cmd.Wait()
	_ = unix.Kill(h.writer, unix.SIGKILL)
	testenv.Eventually(t, "both children are gone", func() bool { return testenv.IsOver(h.child) && testenv.IsOver(h.relay) })
}

var _ = testenv.RegisterHelper("start scored", func([]string) int {
	_, err := spawn.Start(context.Background(), spawntest.MappedBy(":", attr.OOMScoreAdj(700)))
	return testenv.Status(err)
})

// TestScoredIsKilled kills the child or the first child, by which it was made, while it
// waits for its maps, or ends the context. No process is left, nor is the wait for one.
func TestScoredIsKilled(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, what := range []string{"child", "relay", "context", "relay stopped", "both"} {
			s, file := heldByMaps(t)
			if !spawntest.LendsMemory() {
				return // the memory is copied, and there is no first child
			}
			ctx, cancel := context.WithCancel(context.Background())
			started := spawntest.StartHeld(ctx, s)
			h := awaitScored(t, file)
			kill := func(pid int, sig syscall.Signal) {
				if err := unix.Kill(pid, sig); err != nil {
					t.Error(err)
				}
			}
			var want error // nil: that of the maps
			switch what {
			case "child":
				want = unix.ECANCELED
				kill(h.child, unix.SIGKILL)
				testenv.Eventually(t, "the child is gone", func() bool { return testenv.IsOver(h.child) })
			case "relay":
				kill(h.relay, unix.SIGKILL)
			case "both":
				want = unix.ECANCELED
				kill(h.relay, unix.SIGKILL)
				kill(h.child, unix.SIGKILL)
				testenv.Eventually(t, "the child is gone", func() bool { return testenv.IsOver(h.child) })
			case "relay stopped":
				kill(h.relay, unix.SIGSTOP)
				fallthrough
			case "context":
				want = context.Canceled
				cancel()
			}
			_ = unix.Kill(h.writer, unix.SIGKILL)
			r := testenv.Await(t, "start", started)
			cancel()
			if r.Err == nil || want != nil && !errors.Is(r.Err, want) {
				t.Errorf("%s: %+v, want %v", what, r, want)
			}
			if !testenv.IsOver(h.child) || !testenv.IsOver(h.relay) || testenv.HasChild() {
				t.Errorf("%s: something is left", what)
			}
		}
	})
}

// TestScoredStorm makes children with a score and maps by many goroutines at once, some of
// which fail or end with their contexts, while somebody kills children and first children at
// random. Each start has an answer, nothing is left, and the score of this process is as
// before.
func TestScoredStorm(t *testing.T) {
	list := relayed(t)
	before, err := os.ReadFile("/proc/self/oom_score_adj")
	if err != nil {
		t.Fatal(err)
	}
	fds := testenv.Settled()
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		killAtRandom(stop)
	}()
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range testenv.Rounds(40, 1000) {
				s := &spawn.Spec{Path: "/bin/true", Attr: list}
				if (i+g)%5 == 0 {
					s.Path = "/nonexistent"
				}
				ctx, cancel := context.Background(), func() {}
				if i%3 == 0 {
					ctx, cancel = context.WithTimeout(ctx, time.Duration(rand.IntN(4000))*time.Microsecond)
				}
				p, err := spawn.Start(ctx, s)
				cancel()
				if err == nil {
					_, err = p.Wait(context.Background())
				}
				if err != nil && ctx.Err() == nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ECANCELED) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	close(stop)
	<-stopped
	if after, err := os.ReadFile("/proc/self/oom_score_adj"); string(after) != string(before) {
		t.Errorf("score of this process is %q, was %q, %v", after, before, err)
	}
	if testenv.HasChild() {
		t.Error("a child is left")
	}
	testenv.CheckFDs(t, fds)
}

// killAtRandom kills children of this process from time to time.
func killAtRandom(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond):
		}
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, list := range lists {
			text, _ := os.ReadFile(list)
			for _, pid := range strings.Fields(string(text)) {
				if n, err := strconv.Atoi(pid); err == nil && rand.IntN(4) == 0 {
					_ = unix.Kill(n, unix.SIGKILL) // children are not reaped so soon that others have the number
				}
			}
		}
	}
}

// TestScoreWithoutRelay wants a child to have a score and maps also where a filter is
// against a first child that makes it.
func TestScoreWithoutRelay(t *testing.T) {
	relayed(t)
	spawntest.Succeeds(t, spawntest.Helper(t, "no siblings"))
}

var _ = testenv.RegisterHelper("no siblings", func([]string) int {
	if err := install(noSiblings(), true); err != nil {
		return testenv.Status(err)
	}
	uid, gid := spawntest.MapOwn()
	out, _, err := spawntest.TryOutput(spawntest.Shell("cat /proc/self/oom_score_adj",
		attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}, attr.OOMScoreAdj(700)))
	if err == nil && out != "700\n" {
		err = fmt.Errorf("%q", out)
	}
	return testenv.Status(err)
})

// noSiblings is a filter against CLONE_PARENT.
func noSiblings() attr.Seccomp {
	const nr = 0 // of struct seccomp_data
	errno := func(e syscall.Errno) attr.SockFilter {
		return attr.SockFilter{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ERRNO | uint32(e)}
	}
	load := func(at uint32) attr.SockFilter { return attr.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS, K: at} }
	return attr.Seccomp{Filter: []attr.SockFilter{
		load(nr),
		{Code: unix.BPF_JMP | unix.BPF_JEQ, K: unix.SYS_CLONE3, Jf: 1},
		errno(unix.ENOSYS),
		{Code: unix.BPF_JMP | unix.BPF_JEQ, K: unix.SYS_CLONE, Jf: 3},
		load(raw.LowOfArg(raw.CloneFlagsArg())),
		{Code: unix.BPF_JMP | unix.BPF_JSET, K: unix.CLONE_PARENT, Jf: 1},
		errno(unix.EPERM),
		{Code: unix.BPF_RET, K: unix.SECCOMP_RET_ALLOW},
	}}
}

// heldShares reports whether a child that is held up shares this process's memory.
func heldShares(t *testing.T, list attr.List) bool {
	t.Helper()
	pid, letGo := spawntest.HoldChild(t, func(s *spawn.Spec) <-chan spawntest.Started { return spawntest.StartHeld(context.Background(), s) }, list)
	defer letGo()
	const kcmpVM = 1
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(os.Getpid()), uintptr(pid), kcmpVM, 0, 0, 0)
	if errno != 0 {
		testenv.Skip(t, "no kcmp: "+errno.Error())
	}
	return order == 0
}
