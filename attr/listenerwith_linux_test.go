//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// listens has a program be started by a notified execve, with more attributes, and wants
// its status to be 7, and so many calls.
func listens(s *spawn.Spec, want int, list ...attr.Attr) error {
	var l attr.SeccompListener
	defer l.Close()
	c := *s
	c.Attr = append(spawntest.Notify(&l, unix.SYS_EXECVE), list...)
	calls := 0
	end := answering(&l, func(c *attr.SeccompCall) error {
		calls++
		return c.Continue()
	})
	p, err := spawn.Start(context.Background(), &c)
	if err != nil {
		return err
	}
	_ = p.Signal(unix.SIGCONT) // for StartSuspended
	state, err := p.Wait(context.Background())
	if err != nil || state.ExitCode() != 7 {
		return fmt.Errorf("%v, %w", state, err)
	}
	if err := <-end; err != io.EOF || calls != want {
		return fmt.Errorf("%d calls, %w", calls, err)
	}
	return nil
}

// TestListenerWith has a listener together with what makes the engine make the child in
// another way.
func TestListenerWith(t *testing.T) {
	s := &spawn.Spec{Path: testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 7)}
	lists := map[string]attr.List{
		"nothing":    {},
		"a score":    {attr.OOMScoreAdj(500)},
		"a copy":     {attr.NoHugePages{}},
		"death":      {attr.ParentDeathSignal(unix.SIGTERM)},
		"mask, file": {attr.SigMask{unix.SIGTERM}, attr.NoFile{Soft: 20, Hard: 20}, attr.Setsid{}},
	}
	if !testenv.Lacks(unix.SYS_PTRACE) {
		lists["suspended"] = attr.List{attr.StartSuspended{}}
	}
	if os.Geteuid() == 0 {
		lists["ids"] = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}
		lists["dies"] = attr.List{attr.DieWithParent{}}
		t.Cleanup(pidns.EndForTest) // other tests look at an only child
		lists["ids, a score"] = attr.List{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}, attr.OOMScoreAdj(500)}
	}
	tree, err := spawn.NewTree(spawn.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	lists["a tree"] = attr.List{tree.Attr()}
	eachListening(t, func(t *testing.T) {
		// The pid namespace of a tree is entered by a child that shares the memory.
		unable := tree.Holds().By == spawn.HeldByPIDNamespace && !spawn.Features().Has(spawn.FeatureSharedMemory)
		for name, list := range lists {
			err := listens(s, 1, list...)
			if name == "a tree" && unable {
				if !errors.Is(err, errors.ErrUnsupported) {
					t.Errorf("%s: %v", name, err)
				}
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		all := *s
		all.Actions.InheritAll()
		if err := listens(&all, 1, attr.OOMScoreAdj(500)); err != nil {
			t.Errorf("all descriptors, a score: %v", err)
		}
	})
}

// TestListenerInUserNamespace needs CAP_SYS_PTRACE, as the child is not dumpable.
func TestListenerInUserNamespace(t *testing.T) {
	uid, gid := spawntest.MapOwn()
	s := spawntest.Exits(t, 7)
	spawntest.NeedNamespaces(t, unix.CLONE_NEWUSER)
	list := attr.List{attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.IDMap{UID: uid, GID: gid}}
	eachListening(t, func(t *testing.T) {
		err := listens(s, 1, list...)
		if testenv.HasCap(unix.CAP_SYS_PTRACE) {
			if err != nil {
				t.Error(err)
			}
			return
		}
		spawntest.CheckFault(t, err, spawntest.Fails("seccomp", 1, "the listener", unix.EPERM))
		var e *spawn.Error
		if !errors.As(err, &e) || e.Hint == "" {
			t.Errorf("no hint: %v", err)
		}
	})
}

// TestListenerUnkillable may make children of another user, and neither trace nor kill them: the
// start fails, and no child is left to wait for a listener.
func TestListenerUnkillable(t *testing.T) {
	testenv.NeedRoot(t)
	spawntest.NeedListener(t)
	s := spawntest.PublicHelper(t, "listener of the unkillable", testenv.Program(t, filepath.Join(testenv.PublicDir(t), "program"), 7))
	s.Attr = attr.List{
		attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody},
		attr.AmbientCaps{unix.CAP_SETUID, unix.CAP_SETGID},
	}
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("listener of the unkillable", func(args []string) int {
	return testenv.Status(spawntest.EachEngineError(func(string) error {
		var l attr.SeccompListener
		defer l.Close()
		list := append(spawntest.Notify(&l, unix.SYS_MKDIRAT), attr.Credential{UID: testenv.Nobody - 1, GID: testenv.Nobody - 1})
		ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
		defer cancel()
		c := &spawn.Spec{Path: args[0], Attr: list}
		for fd := range 3 { // one that is left must not hold up the test
			c.Actions.Open(fd, os.DevNull, os.O_RDWR, 0)
		}
		_, err := spawn.Start(ctx, c)
		if !errors.Is(err, unix.EPERM) && !errors.Is(err, errors.ErrUnsupported) { // without pidfds
			return fmt.Errorf("Start: %w", err)
		}
		if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
			return fmt.Errorf("a child is left: %w", err)
		}
		return nil
	}))
})

// TestListenerNeedsNumber has no number for the listener in the child.
func TestListenerNeedsNumber(t *testing.T) {
	var l attr.SeccompListener
	defer l.Close()
	s := spawntest.Exits(t, 7)
	s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	s.Actions.Open(1, os.DevNull, os.O_RDONLY, 0)
	s.Actions.Open(2, os.DevNull, os.O_RDONLY, 0)
	s.Attr = append(spawntest.Notify(&l, unix.SYS_MKDIRAT), attr.NoFile{Soft: 3, Hard: 3})
	eachListening(t, func(t *testing.T) {
		_, err := spawn.Start(context.Background(), s)
		var e *spawn.Error
		if !errors.As(err, &e) || e.Step != spawn.StepSeccomp || e.Index != 1 || !errors.Is(err, unix.EMFILE) || e.Hint == "" {
			t.Error(err)
		}
	})
}

// TestListenerOfTheDead has a child that is killed before it has the listener.
func TestListenerOfTheDead(t *testing.T) {
	eachListening(t, func(t *testing.T) {
		var l attr.SeccompListener
		defer l.Close()
		s, _ := spawntest.Held(t)
		s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
		before := testenv.Settled()
		started := spawntest.StartHeld(context.Background(), s)
		pid := spawntest.HeldOpening()
		if pid == 0 {
			t.Fatal("no child on its way")
		}
		if err := unix.Kill(pid, unix.SIGKILL); err != nil {
			t.Error(err)
		}
		got := testenv.Await(t, "the start", started)
		spawntest.CheckFault(t, got.Err, spawntest.Fails("seccomp", 1, "the listener", unix.ECANCELED))
		testenv.CheckFDs(t, before)
	})
}

// TestListenerUnpolled wants a start to fail, and nothing to stay, where the runtime's poller
// can't have the listener.
func TestListenerUnpolled(t *testing.T) {
	spawntest.NeedListener(t)
	spawntest.Succeeds(t, spawntest.Helper(t, "listener unpolled", spawntest.Exits(t, 7).Path))
}

var _ = testenv.RegisterHelper("listener unpolled", func(args []string) int {
	runtime.LockOSThread() // prctl and the filter are of one thread
	r, w, err := os.Pipe() // the poller is there from now on
	if err != nil {
		return testenv.Status(err)
	}
	defer r.Close()
	defer w.Close()
	var list []unix.SockFilter
	for _, x := range spawntest.Refuse(unix.ENOMEM, unix.SYS_EPOLL_CTL).Filter {
		list = append(list, unix.SockFilter(x))
	}
	if err := errors.Join(unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), rawtest.AddFilterToAll(list)); err != nil {
		return testenv.Status(err)
	}
	var l attr.SeccompListener
	_, err = spawn.Start(context.Background(), &spawn.Spec{Path: args[0], Attr: spawntest.Notify(&l, unix.SYS_MKDIRAT)})
	if !errors.Is(err, unix.ENOSPC) {
		return testenv.Status(fmt.Errorf("Start: %w", err))
	}
	if _, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); err != unix.ECHILD {
		return testenv.Status(fmt.Errorf("a child is left: %w", err))
	}
	return 0
})
