//go:build android || !(amd64 || arm64) || spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func TestFallbackFchdir(t *testing.T) {
	dir := portableDir(t)
	s := spawntest.Helper(t, "directory")
	s.Actions.Open(5, dir, os.O_RDONLY, 0)
	s.Actions.Fchdir(5)
	s.Actions.Close(5)
	if got := spawntest.Output(t, s); got != dir {
		t.Errorf("directory %s", got)
	}
	s.Actions.Open(6, "old", os.O_RDONLY, 0)
	s.Actions.Chdir("sub")
	if got := spawntest.Output(t, s); got != filepath.Join(dir, "sub") {
		t.Errorf("directory %s", got)
	}
	s.Actions.Fchdir(6)
	_, err := spawn.Start(t.Context(), s)
	(&startError{spec: *s, step: "fchdir", index: 5, err: syscall.ENOTDIR}).check(t, err)
}

// TestFallbackCancel ends the context of Start while the parent is stuck in an
// open. There never is a child.
func TestFallbackCancel(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	s := spawntest.Helper(t, "exit", "0")
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	children, goroutines := childFaults(t), runtime.NumGoroutine()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := spawn.Start(ctx, s); err != context.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
	// This lets the open return, and the goroutine end.
	w, err := os.OpenFile(fifo, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	for deadline := time.Now().Add(30 * time.Second); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a goroutine is left")
		}
	}
	if childFaults(t) != children {
		t.Error("there was a child")
	}
}

// childFaults is the page faults of all children that were reaped: there is no
// process without any.
func childFaults(t *testing.T) int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_CHILDREN, &u); err != nil {
		t.Fatal(err)
	}
	return int64(u.Minflt)
}

// TestFallbackCancelStorm ends contexts at all moments of the start of a child
// that does not end by itself.
func TestFallbackCancelStorm(t *testing.T) {
	in, hold, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer hold.Close()
	s := spawntest.Helper(t, "stay")
	s.Actions.File(in, 0)
	s.Actions.Open(1, os.DevNull, os.O_WRONLY, 0)
	for i := range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*10*time.Microsecond)
		p, err := spawn.Start(ctx, s)
		switch {
		case err == nil:
			if err := p.Kill(); err != nil {
				t.Error(err)
			}
			if _, err := p.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		case !errors.Is(err, context.DeadlineExceeded):
			t.Error(err)
		}
		cancel()
	}
	// hold must stay open until nobody is left.
	for deadline := time.Now().Add(30 * time.Second); hasChild(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a child is left")
		}
	}
}

func hasChild() bool {
	var info unix.Siginfo
	return unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) != unix.ECHILD
}

func TestFallbackPidfd(t *testing.T) {
	p, release := staying(t, t.Context())
	err := p.WithPidfd(func(fd uintptr) error { return unix.PidfdSendSignal(int(fd), 0, nil, 0) })
	if errors.Is(err, errors.ErrUnsupported) {
		testenv.Skip(t, "no pidfd")
	}
	if err != nil {
		t.Error(err)
	}
	if err := p.WithPidfd(func(uintptr) error { return io.EOF }); !errors.Is(err, io.EOF) {
		t.Errorf("error of the function: %v", err)
	}
	release()
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := p.WithPidfd(func(uintptr) error { return nil }); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestFallbackCredential(t *testing.T) {
	testenv.NeedRoot(t)
	before, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "cat /proc/self/status"}}
	s.Attr = attr.List{attr.Credential{UID: 12345, GID: 12346, Groups: []uint32{7}}}
	out := spawntest.Output(t, s)
	for _, want := range []string{
		"Uid:\t12345\t12345\t12345\t12345\n", "Gid:\t12346\t12346\t12346\t12346\n", "Groups:\t7 \n",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q", want)
		}
	}
	if after, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); after != before {
		t.Errorf("dumpable %d, was %d", after, before)
	}
}

func TestFallbackOwnCredential(t *testing.T) {
	s := spawntest.Helper(t, "exit", "0")
	s.Actions.Open(0, os.DevNull, os.O_RDONLY, 0)
	s.Attr = attr.List{attr.Credential{UID: uint32(os.Geteuid()), GID: uint32(os.Getegid()), KeepGroups: true, Root: true}}
	spawntest.Output(t, s)
	s.Attr = attr.List{attr.ResetIDs{}}
	spawntest.Output(t, s)
}

func TestFallbackWithoutPrivilege(t *testing.T) {
	testenv.NeedUser(t)
	s := spawntest.Helper(t, "exit", "0")
	s.Attr = attr.List{attr.Credential{Root: true}}
	if _, err := spawn.Start(t.Context(), s); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestFallbackChroot(t *testing.T) {
	testenv.NeedRoot(t)
	s := &spawn.Spec{Path: "/bin/pwd", Attr: attr.List{attr.Chroot("/")}}
	if got := spawntest.Output(t, s); got != "/\n" {
		t.Errorf("directory %q", got)
	}
	s.Actions.Chdir("usr")
	if got := spawntest.Output(t, s); got != "/usr\n" {
		t.Errorf("directory %q", got)
	}
}

// "own terminal" makes a child that takes the terminal 0 from it.
var _ = testenv.RegisterHelper("own terminal", func([]string) int {
	s := &spawn.Spec{Path: "/bin/sh", Args: []string{"sh", "-c", "cat /proc/self/stat"}}
	s.Attr = attr.List{attr.Setpgid{}}
	s.Actions.Tcsetpgrp(0)
	if state, err := spawn.Run(context.Background(), s); err != nil || !state.Success() {
		fmt.Println(state, err)
		return 1
	}
	return 0
})

func TestFallbackTerminal(t *testing.T) {
	_, tty := testenv.OpenPTY(t)
	s := spawntest.Helper(t, "own terminal")
	s.Attr = attr.List{attr.Setsid{}, attr.ControllingTTY{File: tty}}
	s.Actions.File(tty, 0)
	stat := strings.Fields(spawntest.Output(t, s))
	// pid (comm) state ppid pgrp session tty_nr tpgid; cat is in the shell's group.
	if len(stat) < 8 || stat[6] == "0" || stat[7] != stat[4] || stat[5] == stat[4] {
		t.Errorf("stat %q", stat)
	}
}

// TestFallbackLeaksNothing has starts that fail at each point.
func TestFallbackLeaksNothing(t *testing.T) {
	before := testenv.OpenFDs()
	for range 50 {
		for _, last := range []func(s *spawn.Spec){
			func(s *spawn.Spec) { s.Path = "/nonexistent" },
			func(s *spawn.Spec) { s.Actions.Chdir("/nonexistent") },
			func(s *spawn.Spec) { s.Actions.Open(3, "/nonexistent", os.O_RDONLY, 0) },
			func(s *spawn.Spec) { s.Actions.Inherit(99) },
		} {
			s := spawntest.Helper(t, "exit", "0")
			s.Actions.Open(4, os.DevNull, os.O_RDONLY, 0)
			last(s)
			if _, err := spawn.Start(t.Context(), s); err == nil {
				t.Fatal("no error")
			}
		}
	}
	for fd, target := range testenv.OpenFDs() {
		if before[fd] != target {
			t.Errorf("fd %s: %s", fd, target)
		}
	}
}
