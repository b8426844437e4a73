//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// listenerBeside are filters of this process, and what becomes of a start with a listener.
var listenerBeside = map[string]struct {
	filter attr.Seccomp
	want   spawntest.Want
}{
	"refused": {spawntest.Refuse(unix.EPERM, unix.SYS_PIDFD_GETFD), spawntest.Fails("seccomp", 1, "the listener", unix.EPERM)},
	"missing": {spawntest.Refuse(unix.ENOSYS, unix.SYS_PIDFD_GETFD), spawntest.Fails("seccomp", 1, "the listener", unix.ENOSYS)},
	"killed": {spawntest.Filter(unix.SECCOMP_RET_KILL_PROCESS, unix.SECCOMP_RET_ALLOW, unix.SYS_PIDFD_GETFD),
		spawntest.Fails("seccomp", 1, "the listener", unix.EPERM)},
	"older": {spawntest.Refuse(unix.EINVAL, unix.SYS_SECCOMP), spawntest.Fails("seccomp", 1, "4 instructions", unix.EINVAL)},
}

// startListening starts a program with a listener, and wants an error. A filter of this
// process is nothing that the kernel lacks, unless it says so.
func startListening(want spawntest.Want) error {
	var l attr.SeccompListener
	defer l.Close()
	_, err := spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: spawntest.Notify(&l, unix.SYS_MKDIRAT)})
	if how := want.Differs(err); how != "" {
		return fmt.Errorf("%w: %s, want %+v", err, how, want)
	}
	var e *spawn.Error
	if errors.As(err, &e); e.Hint == "" && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("%w: no hint", err)
	}
	return nil
}

var _ = testenv.RegisterHelper("listener beside a filter", func(args []string) int {
	runtime.LockOSThread()
	c := listenerBeside[args[0]]
	err := install(c.filter, false)
	if err == nil {
		err = startListening(c.want)
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

// TestListenerBesideFilters can't take the listener, and says so.
func TestListenerBesideFilters(t *testing.T) {
	spawntest.NeedListener(t)
	for name := range listenerBeside {
		t.Run(name, func(t *testing.T) { spawntest.Succeeds(t, spawntest.Helper(t, "listener beside a filter", name)) })
	}
}

var _ = testenv.RegisterHelper("second listener", func([]string) int {
	if err := startListening(spawntest.Fails("seccomp", 1, "4 instructions", unix.EBUSY)); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

// TestSecondListener has a program with a listener that wants one for its own child.
func TestSecondListener(t *testing.T) {
	spawntest.NeedListener(t)
	var l attr.SeccompListener
	defer l.Close()
	s := spawntest.Helper(t, "second listener")
	s.Attr = spawntest.Notify(&l, unix.SYS_MKDIRAT)
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("listener that is silent", func([]string) int {
	var l attr.SeccompListener
	list := append(spawntest.Notify(&l, unix.SYS_EXECVE), attr.ParentDeathSignal(unix.SIGKILL))
	go spawn.Start(context.Background(), &spawn.Spec{Path: "/bin/true", Attr: list})
	call, err := l.Recv(context.Background())
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(call.TID)
	select {}
})

// TestListenerOrphan kills this process while its child waits for an answer to its execve. The
// child has a descriptor of the listener itself, so it is the signal that ends it.
func TestListenerOrphan(t *testing.T) {
	spawntest.NeedListener(t)
	p, out := spawntest.StartSaying(t, spawntest.Helper(t, "listener that is silent"))
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil {
		t.Error(err)
	}
	if _, err := p.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	testenv.Eventually(t, "the end of the child", func() bool { return testenv.IsOver(pid) })
}
