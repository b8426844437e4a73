//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec && !spawn_nolinkname

package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestDumpableBesideOSExec has a child of os/exec, with other ids, that is held up
// before execve, and so shares memory, while others start and end.
func TestDumpableBesideOSExec(t *testing.T) {
	if testenv.Dumpable(t) != 1 {
		testenv.Skip(t, "this process is not dumpable")
	}
	quick := credentialSpec(t)
	fifo := filepath.Join(testenv.PublicDir(t), "fifo")
	if err := errors.Join(unix.Mkfifo(fifo, 0), os.Chmod(fifo, 0o666)); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	run := func() {
		if state, err := spawn.Run(context.Background(), quick); err != nil || state.ExitCode() != 7 {
			t.Errorf("%v, %v", state, err)
		}
	}
	// os/exec's child is in its start for as long as its lock is held; a lock is
	// all that can be seen of it.
	syscall.ForkLock.Lock()
	go func() {
		defer close(done)
		for range 3 {
			run()
			if d := testenv.Dumpable(t); d == 1 {
				t.Error("dumpable while a child of os/exec may share the memory")
			}
		}
	}()
	<-done
	syscall.ForkLock.Unlock()
	for testenv.Dumpable(t) != 1 {
		runtime.Gosched()
	}

	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: testenv.Nobody, Gid: testenv.Nobody}}
	hold := spawntest.StartHeld(context.Background(), waitsForFIFO(t, fifo, attr.NoCapabilities()))
	if spawntest.HeldOpening() == 0 {
		t.Error("the child does not open its file")
	}
	if err := cmd.Run(); err != nil {
		t.Error(err)
	}
	letOpen(t, fifo)
	if r := testenv.Await(t, "start", hold); r.Err != nil {
		t.Error(r.Err)
	} else if _, err := r.Process.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if d := testenv.Dumpable(t); d != 1 {
		t.Errorf("dumpable is %d", d)
	}
}

func waitsForFIFO(t *testing.T, fifo string, list ...attr.Attr) *spawn.Spec {
	t.Helper()
	s := spawntest.Shell(":", list...)
	s.Actions.Open(0, fifo, os.O_RDONLY, 0)
	return s
}

func letOpen(t *testing.T, fifo string) {
	t.Helper()
	w, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
}

// TestSetDumpable sets and clears the flag while it is cleared for a child, and at
// other times.
func TestSetDumpable(t *testing.T) {
	testenv.NeedRoot(t)
	was := testenv.Dumpable(t) == 1
	defer func() { _ = spawn.SetDumpable(was) }()
	fifo := filepath.Join(testenv.PublicDir(t), "fifo")
	if err := errors.Join(unix.Mkfifo(fifo, 0), os.Chmod(fifo, 0o666)); err != nil {
		t.Fatal(err)
	}
	number := map[bool]int{false: 0, true: 1}
	for _, before := range []bool{false, true} {
		for _, then := range []bool{false, true} {
			if err := spawn.SetDumpable(before); err != nil || testenv.Dumpable(t) != number[before] {
				t.Fatalf("%v: %v, dumpable is %d", before, err, testenv.Dumpable(t))
			}
			result := spawntest.StartHeld(context.Background(), waitsForFIFO(t, fifo, attr.NoCapabilities()))
			if spawntest.HeldOpening() == 0 {
				t.Error("the child does not open its file")
			}
			if err := spawn.SetDumpable(then); err != nil {
				t.Error(err)
			}
			if d := testenv.Dumpable(t); d != 0 && spawn.Features().Has(spawn.FeatureSharedMemory) {
				t.Errorf("%v, then %v: dumpable is %d beside the child", before, then, d)
			}
			letOpen(t, fifo)
			if r := testenv.Await(t, "start", result); r.Err != nil {
				t.Error(r.Err)
			} else if _, err := r.Process.Wait(context.Background()); err != nil {
				t.Error(err)
			}
			if d := testenv.Dumpable(t); d != number[then] {
				t.Errorf("%v, then %v: dumpable is %d", before, then, d)
			}
		}
	}
}

// TestDumpableOwnIDs has the process change its ids, for which the kernel clears
// the flag, while a child is on its way. That is not undone.
func TestDumpableOwnIDs(t *testing.T) {
	testenv.NeedRoot(t)
	s := spawntest.Helper(t, "changes its own ids", testenv.PublicDir(t))
	spawntest.Succeeds(t, s)
}

var _ = testenv.RegisterHelper("changes its own ids", func(args []string) int {
	fifo := filepath.Join(args[0], "fifo")
	held := spawntest.Shell(":", attr.NoCapabilities())
	held.Actions.Open(0, fifo, os.O_RDONLY, 0)
	ctx, cancel := context.WithTimeout(context.Background(), testenv.Patience)
	defer cancel()
	err := unix.Mkfifo(fifo, 0o666)
	if err == nil {
		err = os.Chmod(fifo, 0o666)
	}
	result := spawntest.StartHeld(ctx, held)
	if err == nil && spawntest.HeldOpening() == 0 {
		err = errors.New("the child does not open its file")
	}
	err = errors.Join(err, syscall.Setuid(testenv.Nobody))
	w, oerr := os.OpenFile(fifo, os.O_RDWR, 0)
	if oerr == nil {
		w.Close()
	}
	r := <-result
	err = errors.Join(err, oerr, r.Err)
	if d, perr := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); d != 0 || perr != nil {
		err = errors.Join(err, fmt.Errorf("dumpable is %d: %v", d, perr))
	}
	return testenv.Status(err)
})

// TestDumpableRefused has prctl fail, which leaves no child, and the flag as it was.
func TestDumpableRefused(t *testing.T) {
	testenv.NeedRoot(t)
	for _, option := range []uint32{unix.PR_GET_DUMPABLE, unix.PR_SET_DUMPABLE} {
		s := spawntest.Helper(t, "prctl refused")
		s.Attr = attr.List{feign([]refusal{{unix.SYS_PRCTL, unix.EXDEV, []argument{{0, option, false}}}})}
		spawntest.Succeeds(t, s)
	}
}

var _ = testenv.RegisterHelper("prctl refused", func([]string) int {
	var errs error
	for _, list := range []attr.List{
		{attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody}}, {attr.NoCapabilities()}, {attr.Namespaces{Flags: unix.CLONE_NEWUSER}},
	} {
		_, err := spawn.Run(context.Background(), spawntest.Shell(":", list...))
		var e *spawn.Error
		if !errors.As(err, &e) || e.Step != "dumpable" || !errors.Is(err, unix.EXDEV) {
			errs = errors.Join(errs, fmt.Errorf("%v: %w", list, err))
		}
	}
	if testenv.HasZombie() {
		errs = errors.Join(errs, errors.New("a zombie"))
	}
	if d, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0); d != 1 && err != unix.EXDEV {
		errs = errors.Join(errs, fmt.Errorf("dumpable is %d: %v", d, err))
	}
	if errs != nil {
		fmt.Println(errs)
		return 1
	}
	return 0
})

// TestDumpableStress has starts that clear the flag, beside others of os/exec.
func TestDumpableStress(t *testing.T) {
	if testenv.Dumpable(t) != 1 {
		testenv.Skip(t, "this process is not dumpable")
	}
	s := credentialSpec(t)
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := exec.Command("/bin/true").Run(); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	err := testenv.AtOnce(8, func() error {
		for range 20 {
			if _, err := spawn.Run(context.Background(), s); err != nil {
				return err
			}
		}
		return nil
	})
	close(stop)
	<-done
	if err != nil {
		t.Error(err)
	}
	testenv.Eventually(t, "the flag is set", func() bool { return testenv.Dumpable(t) == 1 })
}

func init() { spawntest.Unprivileged("hidden", hiddenOfUser) }

// hiddenOfUser wants the flag cleared for children of a user without privilege, once
// the files are written that need it set.
func hiddenOfUser(dir string) error {
	flag := func() int {
		v, _ := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		return v
	}
	own := attr.IDMap{UID: []attr.IDMapEntry{{HostID: os.Getuid(), Size: 1}}}
	made, left := attr.Namespaces{Flags: unix.CLONE_NEWUSER}, attr.Unshare{Flags: unix.CLONE_NEWUSER}
	if _, err := spawn.Run(context.Background(), spawntest.Shell(":", made)); err != nil {
		return nil // no user namespaces here
	}
	for i, list := range []attr.List{
		{made}, {made, own}, {left}, {left, own},
	} {
		fifo := filepath.Join(dir, fmt.Sprint("fifo", i))
		if err := errors.Join(unix.Mkfifo(fifo, 0), os.Chmod(fifo, 0o666)); err != nil {
			return err
		}
		held := spawntest.Shell(":", list...)
		held.Actions.Open(0, fifo, os.O_RDONLY, 0)
		result := spawntest.StartHeld(context.Background(), held)
		if !testenv.Soon(func() bool { return flag() == 0 }) {
			return fmt.Errorf("%v: dumpable for long", list)
		}
		w, err := os.OpenFile(fifo, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		r := <-result
		w.Close()
		if r.Err != nil {
			return fmt.Errorf("%v: %w", list, r.Err)
		}
		if _, err := r.Process.Wait(context.Background()); err != nil || flag() != 1 {
			return fmt.Errorf("%v: %w, dumpable is %d", list, err, flag())
		}
	}
	return nil
}
