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
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
	"github.com/safespawn/spawn/internal/testenv/tiny"
)

func otherMachine(t testing.TB) string {
	t.Helper()
	arch := "arm64"
	if strings.HasPrefix(runtime.GOARCH, "arm") {
		arch = "amd64"
	}
	image, err := tiny.Image(arch, 0)
	if err != nil {
		t.Fatal(err)
	}
	return string(image)
}

func TestExecFaults(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	image, err := tiny.Image(runtime.GOARCH, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Symlink("loop", in("loop")), unix.Mkfifo(in("fifo"), 0o700)); err != nil {
		t.Fatal(err)
	}
	var faults []spawntest.Fault
	for _, f := range []struct {
		path, object string
		errno        syscall.Errno
	}{
		{in("missing"), in("missing"), unix.ENOENT},
		{testenv.Write(t, in("file"), "#!/bin/sh\n", 0o644), in("file"), unix.EACCES},
		{in("file/x"), in("file/x"), unix.ENOTDIR},
		{dir, dir, unix.EACCES},
		{in("fifo"), in("fifo"), unix.EACCES},
		{in("loop"), in("loop"), unix.ELOOP},
		{testenv.Write(t, in("nointerp"), "#! /missing/sh -e\nexit", 0o755), "/missing/sh", unix.ENOENT},
		{testenv.Write(t, in("crlf"), "#!/bin/sh\r\nexit", 0o755), "/bin/sh\r", unix.ENOENT},
		{testenv.Write(t, in("dirinterp"), "#!/proc\n", 0o755), "/proc", unix.EACCES},
		{testenv.Write(t, in("noload"), string(tiny.Interpreted(runtime.GOARCH, "/missing/ld.so")), 0o755), "/missing/ld.so", unix.ENOENT},
		{testenv.Write(t, in("text"), "hello\n", 0o755), in("text"), unix.ENOEXEC},
		{testenv.Write(t, in("empty"), "", 0o755), in("empty"), unix.ENOEXEC},
		{testenv.Write(t, in("short"), string(image[:60]), 0o755), in("short"), unix.ENOEXEC},
		{testenv.Write(t, in("other"), otherMachine(t), 0o755), in("other"), unix.ENOEXEC},
	} {
		faults = append(faults, spawntest.Fault{Name: f.path, Spec: &spawn.Spec{Path: f.path}, Want: spawntest.Fails("execve", -1, f.object, f.errno)})
	}
	spawntest.Try(t, faults)
}

// TestExecInChangedDirectory has a relative path that means something else here:
// the error must not be about the wrong file.
func TestExecInChangedDirectory(t *testing.T) {
	dir := t.TempDir()
	testenv.Program(t, filepath.Join(dir, "here"), 42)
	testenv.Write(t, filepath.Join(dir, "script"), "#!/missing/sh\n", 0o755)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := spawntest.WithActions(&spawn.Spec{Path: "./here"}, func(a *spawn.FileActions) { a.Chdir(dir) })
		state, err := spawn.Run(context.Background(), s)
		if err != nil || state.ExitCode() != 42 {
			t.Errorf("%v, %v", state, err)
		}
		s.Path = "./script"
		_, err = spawn.Start(context.Background(), s)
		spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, "./script", unix.ENOENT))
	})
}

// TestTooLong is about what is refused before anything happens, and what the
// kernel refuses.
func TestTooLong(t *testing.T) {
	limit := 32*os.Getpagesize() - 1
	s := spawntest.Cat(t)
	s.Args = []string{"cat", strings.Repeat("x", limit+1)}
	_, err := spawn.Compile(s)
	spawntest.CheckFault(t, err, spawntest.Fails("args", 1, "1", unix.E2BIG))
	s.Args, s.Env = s.Args[:1], []string{"A=1", "B=2", strings.Repeat("y", limit+1)}
	_, err = spawn.Compile(s)
	spawntest.CheckFault(t, err, spawntest.Fails("env", 2, "2", unix.E2BIG))

	longest := &spawn.Spec{Path: testenv.Program(t, filepath.Join(t.TempDir(), "true"), 0)}
	longest.Args = []string{"x", strings.Repeat("x", limit)}
	many := *longest
	for range 100 {
		many.Args = append(many.Args, longest.Args[1])
	}
	small := *longest
	small.Attr = attr.List{attr.Rlimit{Resource: unix.RLIMIT_STACK, Soft: 1 << 18, Hard: 1 << 18}}
	spawntest.EachEngine(t, func(t *testing.T) {
		if state, err := spawn.Run(context.Background(), longest); err != nil || !state.Success() {
			t.Errorf("%v, %v", state, err)
		}
		for _, s := range []*spawn.Spec{&many, &small} {
			_, err := spawn.Start(context.Background(), s)
			var e *spawn.Error
			if !errors.As(err, &e) || !errors.Is(err, unix.E2BIG) || e.Step != "execve" {
				t.Errorf("%v", err)
				continue
			}
			bytes := 0
			if _, err := fmt.Sscanf(e.Hint, "%d bytes", &bytes); err != nil || bytes < limit*(len(s.Args)-1) {
				t.Errorf("hint %q: %v", e.Hint, err)
			}
		}
	})
}

// TestBusyProgram holds the program open for writing: for good, and for a time
// that the retries outlast.
func TestBusyProgram(t *testing.T) {
	path := testenv.Program(t, filepath.Join(t.TempDir(), "busy"), 3)
	spawntest.EachEngine(t, func(t *testing.T) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = spawn.Start(context.Background(), &spawn.Spec{Path: path})
		spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, path, unix.ETXTBSY))

		time.AfterFunc(20*time.Millisecond, func() { f.Close() })
		state, err := spawn.Run(context.Background(), &spawn.Spec{Path: path})
		if err != nil || state.ExitCode() != 3 {
			t.Errorf("%v, %v", state, err)
		}
	})
}

// TestBusyStorm writes programs and runs them at once, while siblings that are on
// their way to execve may hold their files.
func TestBusyStorm(t *testing.T) {
	rounds := testenv.Rounds(800, 2000)
	if testing.Short() {
		rounds = 300
	}
	var wg sync.WaitGroup
	for i := range 8 {
		dir := t.TempDir()
		wg.Go(func() {
			for k := range rounds / 8 {
				path := filepath.Join(dir, strconv.Itoa(k))
				if err := tiny.Write(path, i); err != nil {
					t.Error(err)
					return
				}
				if state, err := spawn.Run(context.Background(), &spawn.Spec{Path: path}); err != nil || state.ExitCode() != i {
					t.Errorf("%v, %v", state, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestFailuresLeakNothing fails a thousand times, in the ways in which a child
// fails.
func TestFailuresLeakNothing(t *testing.T) {
	specs := []*spawn.Spec{
		{Path: "/missing/program"},
		spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.Open(5, "/missing/file", os.O_RDONLY, 0) }),
		spawntest.Cat(t, attr.Chroot("/missing/root")),
		spawntest.WithActions(spawntest.Cat(t), func(a *spawn.FileActions) { a.Inherit(999) }),
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		rounds := 1000
		if t.Name() != "TestFailuresLeakNothing/without_nothing" {
			rounds = 100
		}
		failAll(t, specs, 10)
		before, threads, memory := testenv.Settled(), testenv.CountThreads(t), liveHeap()
		goroutines := runtime.NumGoroutine()
		failAll(t, specs, rounds)
		testenv.CheckFDs(t, before)
		if n := testenv.CountThreads(t); n > threads+4 {
			t.Errorf("%d threads, %d before", n, threads)
		}
		// Some children are reaped in the background.
		if !testenv.Soon(func() bool { return runtime.NumGoroutine() <= goroutines }) {
			t.Errorf("%d goroutines, %d before", runtime.NumGoroutine(), goroutines)
		}
		if grown := int64(liveHeap()) - int64(memory); grown > 1<<20 {
			t.Errorf("the heap grew by %d bytes", grown)
		}
	})
}

func failAll(t *testing.T, specs []*spawn.Spec, rounds int) {
	t.Helper()
	for i := range rounds {
		if _, err := spawn.Start(context.Background(), specs[i%len(specs)]); err == nil {
			t.Fatal("it runs")
		}
	}
}

func liveHeap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
