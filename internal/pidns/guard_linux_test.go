//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package pidns_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/pidns"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// guardedGroup is a control group in which a guardian can be.
func guardedGroup(t *testing.T) (dir *os.File, kill *os.File) {
	t.Helper()
	dir, _ = testenv.NewCgroup(t)
	kill, err := os.OpenFile(filepath.Join(dir.Name(), "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		testenv.Skip(t, "no cgroup.kill")
	}
	t.Cleanup(func() { kill.Close() })
	return dir, kill
}

// members are the processes of a control group.
func members(dir string) []string {
	text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	return strings.Fields(string(text))
}

var _ = testenv.RegisterHelper("has a guardian", func(args []string) int {
	dir, err := os.Open(args[0])
	if err != nil {
		return testenv.Status(err)
	}
	kill, err := os.OpenFile(filepath.Join(args[0], "cgroup.kill"), os.O_WRONLY, 0)
	if err != nil {
		return testenv.Status(err)
	}
	if _, err := pidns.NewGuard(int(kill.Fd()), int(dir.Fd())); err != nil {
		return testenv.Status(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "(setsid sleep 1000 &); exec sleep 1000")
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(dir.Fd())}
	if err := cmd.Start(); err != nil {
		return testenv.Status(err)
	}
	fmt.Println("started")
	time.Sleep(time.Hour)
	return 0
})

// TestGuard kills a process that has a guardian: nothing is left of the group, and no
// guardian. Signals but SIGKILL don't end the guardian before.
func TestGuard(t *testing.T) {
	spawntest.NeedBest(t)
	dir, _ := guardedGroup(t)
	p, r := spawntest.StartSaying(t, spawntest.Helper(t, "has a guardian", dir.Name()))
	if line, err := bufio.NewReader(r).ReadString('\n'); line != "started\n" {
		t.Fatalf("%q, %v", line, err)
	}
	guard := ""
	testenv.Eventually(t, "the guardian, under its name, and two", func() bool {
		list := members(dir.Name())
		for _, pid := range list {
			if name, _ := os.ReadFile("/proc/" + pid + "/comm"); string(name) == "spawn-guard\n" {
				guard = pid
			}
		}
		return len(list) == 3 && guard != ""
	})
	for _, sig := range []syscall.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGINT, unix.SIGUSR1, 64} {
		if err := unix.Kill(mustAtoi(t, guard), sig); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, "nothing left", func() bool { return len(members(dir.Name())) == 0 })
}

// The guardian has nothing of its parent's but what it waits by and the group's file.
func TestGuardHasNothing(t *testing.T) {
	spawntest.NeedBest(t)
	dir, kill := guardedGroup(t)
	g, err := pidns.NewGuard(int(kill.Fd()), int(dir.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	pids := members(dir.Name())
	if len(pids) != 1 {
		t.Fatalf("in the group are %v", pids)
	}
	pid := pids[0]
	var fds []os.DirEntry
	testenv.Eventually(t, "past its gate", func() bool {
		fds, _ = os.ReadDir("/proc/" + pid + "/fd")
		return len(fds) == 2
	})
	if to, _ := os.Readlink("/proc/" + pid + "/fd/1"); !strings.HasSuffix(to, "/cgroup.kill") {
		t.Errorf("its second descriptor is %s", to)
	}
	if sid, err := unix.Getsid(mustAtoi(t, pid)); err != nil || strconv.Itoa(sid) != pid {
		t.Errorf("its session is %d, %v", sid, err)
	}
	if text, _ := os.ReadFile("/proc/" + pid + "/status"); !bytes.Contains(text, []byte("SigIgn:\tfffffffffffbfeff\n")) {
		t.Errorf("%s", text)
	}
	if !g.Alive() {
		t.Error("it is said to be gone")
	}
	g.Close()
	testenv.Eventually(t, "its end", func() bool { return !g.Alive() && len(members(dir.Name())) == 0 })
}

// refusedGuard has NewGuard fail because something is missing, whose name begins with what.
func refusedGuard(kill, group int, what string) error {
	before := testenv.Settled()
	g, err := pidns.NewGuard(kill, group)
	if err == nil {
		g.Close()
	}
	var r *pidns.Refusal
	if !errors.As(err, &r) || !strings.HasPrefix(r.What, what) {
		return fmt.Errorf("a guardian without %s: %w", what, err)
	}
	if after := testenv.OpenFDs(); len(after) != len(before) {
		return fmt.Errorf("descriptors: %v, then %v", before, after)
	}
	return nil
}

// A descriptor that is no group's is no refusal: nothing is missing.
func TestGuardInNoGroup(t *testing.T) {
	spawntest.NeedBest(t)
	_, kill := guardedGroup(t)
	before := testenv.Settled()
	var r *pidns.Refusal
	g, err := pidns.NewGuard(int(kill.Fd()), int(kill.Fd()))
	if err == nil {
		g.Close()
	}
	if err == nil || errors.As(err, &r) {
		t.Errorf("%v", err)
	}
	testenv.CheckFDs(t, before)
}

var _ = testenv.RegisterHelper("may not guard", func(args []string) int {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return testenv.Status(err)
	}
	defer null.Close()
	group := -1
	if len(args) > 1 {
		dir, err := unix.Open(args[1], unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			return testenv.Status(err)
		}
		defer unix.Close(dir)
		group = dir
	}
	return testenv.Status(refusedGuard(int(null.Fd()), group, args[0]))
})

// A guardian that may not be in a group is a refusal.
func TestGuardRefused(t *testing.T) {
	spawntest.NeedBest(t)
	dir, _ := guardedGroup(t)
	if err := os.Chmod(dir.Name(), 0o711); err != nil {
		t.Fatal(err)
	}
	s := spawntest.Helper(t, "may not guard", "a control group", dir.Name())
	s.Path = spawntest.PublicBinary(t)
	s.Attr = append(s.Attr, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
	spawntest.Succeeds(t, s)
}

// pollCall is the system call that a guardian waits by.
var pollCall = map[string]int{"386": 168, "amd64": 7, "arm": 168, "arm64": unix.SYS_PPOLL, "loong64": unix.SYS_PPOLL, "ppc64le": 167, "riscv64": unix.SYS_PPOLL, "s390x": 168}[runtime.GOARCH]

// A filter that refuses poll is a refusal: a guardian could only take that for the end of
// this process, and an init would end its namespace.
func TestPollRefused(t *testing.T) {
	spawntest.NeedBest(t)
	for _, errno := range []syscall.Errno{unix.EPERM, unix.ENOSYS} {
		for _, name := range []string{"may not guard", "may have no namespace"} {
			s := spawntest.Helper(t, name, "poll")
			s.Attr = append(s.Attr, attr.NoNewPrivs{}, spawntest.Refuse(errno, pollCall))
			spawntest.Succeeds(t, s)
		}
	}
}

// A guardian is to outlive execve of this process: without pidfd_open there is none.
func TestGuardNeedsPidfd(t *testing.T) {
	s := spawntest.Helper(t, "may not guard", "pidfd_open")
	s.Attr = append(s.Attr, attr.NoNewPrivs{}, spawntest.Refuse(unix.EPERM, unix.SYS_PIDFD_OPEN))
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("may have no namespace", func(args []string) int {
	n, err := pidns.New()
	if err == nil {
		n.Close()
	}
	var r *pidns.Refusal
	if !errors.As(err, &r) || !strings.HasPrefix(r.What, args[0]) {
		return testenv.Status(fmt.Errorf("a namespace without %s: %w", args[0], err))
	}
	return 0
})
