//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

var argumentsAndDescriptors = testenv.RegisterHelper("arguments and descriptors", func(args []string) int {
	fmt.Print(args)
	for fd := range 64 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			fmt.Print(" ", fd)
		}
	}
	return 0
})

// openProgram opens a program that is not open for writing.
func openProgram(t *testing.T, path string, flag int) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, flag, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestFile runs a program that has lost its name, with nothing open but what is asked
// for.
func TestFile(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, flag := range []int{os.O_RDONLY, unix.O_PATH} {
			for _, all := range []bool{false, true} {
				s := spawntest.Helper(t, argumentsAndDescriptors, "x", "y")
				s.File = openProgram(t, s.Path, flag)
				s.Path = "/no/such/program"
				if all {
					s.Actions.InheritAll()
				}
				s.Actions.Open(3, os.DevNull, os.O_RDONLY, 0)
				s.Actions.Dup2(3, 5)
				got := spawntest.Output(t, s)
				if want := "[x y] 0 1 2 3 5"; !all && got != want {
					t.Errorf("%#o, all %v: %q, want %q", flag, all, got, want)
				} else if all && !strings.HasPrefix(got, "[x y] 0 1 2 3") {
					t.Errorf("%#o, all: %q", flag, got)
				}
			}
		}
	})
}

// TestFileNumbers wants actions to be free to use the number that the file has.
func TestFileNumbers(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, all := range []bool{false, true} {
			s := spawntest.Helper(t, argumentsAndDescriptors)
			s.File = openProgram(t, s.Path, os.O_RDONLY)
			if all {
				s.Actions.InheritAll()
			}
			fd := 0
			testenv.Control(t, s.File, func(n int) error { fd = n; return nil })
			s.Actions.Open(fd, os.DevNull, os.O_RDONLY, 0)
			s.Actions.CloseFrom(fd + 1)
			if got := spawntest.Output(t, s); !strings.HasSuffix(got, fmt.Sprint(" ", fd)) {
				t.Errorf("all %v: %q, want descriptor %d last", all, got, fd)
			}
		}
	})
}

// allSeals keep a memory file as it is.
const allSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// memoryFile is a memory file with a program.
func memoryFile(t *testing.T, path string, seals int) *os.File {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.MemfdCreate("program", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		testenv.Skip(t, "no memory files: "+err.Error())
	}
	f := os.NewFile(uintptr(fd), "program")
	t.Cleanup(func() { f.Close() })
	if _, err := f.Write(text); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestFileInMemory(t *testing.T) {
	s := spawntest.Helper(t, argumentsAndDescriptors, "z")
	s.File = memoryFile(t, s.Path, allSeals)
	if got := spawntest.Output(t, s); got != "[z] 0 1 2" {
		t.Errorf("%q", got)
	}
}

// TestFileScript wants a script to be read from the file, also where the number that
// the file has is somebody else's.
func TestFileScript(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		path := testenv.Write(t, filepath.Join(t.TempDir(), "script"), "#!/bin/sh\necho $0 $1\n", 0o755)
		s := &spawn.Spec{File: openProgram(t, path, os.O_RDONLY), Args: []string{"x", "one"}}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		own := 0
		testenv.Control(t, s.File, func(n int) error { own = n; return nil })
		for _, taken := range []bool{false, true} {
			if taken {
				s.Actions.Open(own, os.DevNull, os.O_RDONLY, 0)
			}
			number, got := 0, spawntest.Output(t, s)
			if _, err := fmt.Sscanf(got, "/dev/fd/%d one\n", &number); err != nil || number < 3 || taken && number == own {
				t.Errorf("its number %d is taken %v: %q", own, taken, got)
			}
		}
	})
}

// TestFileShell wants a shell to read what is no program: also an empty file, and one that
// this process can't look at.
func TestFileShell(t *testing.T) {
	dir := t.TempDir()
	empty := testenv.Write(t, filepath.Join(dir, "empty"), "", 0o755)
	text := testenv.Write(t, filepath.Join(dir, "text"), "exit 4\n", 0o755)
	script := testenv.Write(t, filepath.Join(dir, "script"), "#!/bin/sh\nexit 5\n", 0o755)
	for _, c := range []struct {
		path string
		want int
	}{{empty, 0}, {text, 4}, {script, 5}} {
		for _, flag := range []int{os.O_RDONLY, unix.O_PATH} {
			s := &spawn.Spec{File: openProgram(t, c.path, flag), Shell: true}
			if state, err := spawn.Run(context.Background(), s); err != nil || state.ExitCode() != c.want {
				t.Errorf("%s, %#o: %v, %v, want %d", c.path, flag, state, err, c.want)
			}
			s.Actions.InheritAll()
			if _, err := spawn.Run(context.Background(), s); !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s, %#o, all: %v", c.path, flag, err)
			}
		}
	}
}

// TestFileFaults wants the errors of open files.
func TestFileFaults(t *testing.T) {
	dir := t.TempDir()
	text := testenv.Write(t, filepath.Join(dir, "text"), "exit 4\n", 0o755)
	script := testenv.Write(t, filepath.Join(dir, "script"), "#!/no/such/interpreter\n", 0o755)
	closed := openProgram(t, text, os.O_RDONLY)
	closed.Close()
	for _, c := range []struct {
		name string
		f    *os.File
		step string
		want error
	}{
		{"closed", closed, spawn.StepPath, os.ErrClosed},
		{"no program", openProgram(t, text, os.O_RDONLY), spawn.StepExecve, unix.ENOEXEC},
		{"no interpreter", openProgram(t, script, os.O_RDONLY), spawn.StepExecve, unix.ENOENT},
		{"a directory", openProgram(t, dir, os.O_RDONLY), spawn.StepExecve, unix.EACCES},
	} {
		_, err := spawn.Run(context.Background(), &spawn.Spec{File: c.f})
		var e *spawn.Error
		if !errors.Is(err, c.want) || !errors.As(err, &e) || e.Step != c.step || e.Path != c.f.Name() {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

// TestFileSteps wants the calls to be shown.
func TestFileSteps(t *testing.T) {
	s := spawntest.Cat(t)
	s.File = openProgram(t, s.Path, os.O_RDONLY)
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	steps := p.Steps()
	last := steps[len(steps)-1]
	if last.Syscall != "execveat" || last.Args[4].Text != "AT_EMPTY_PATH" {
		t.Errorf("%v", last)
	}
	if !slices.ContainsFunc(steps, func(s spawn.Step) bool { return s.Part == spawn.PartSpec && s.Name == spawn.StepPath }) {
		t.Errorf("%v", steps)
	}
}

// TestFileWithoutProc runs a program in a root directory that has nothing at all.
func TestFileWithoutProc(t *testing.T) {
	if os.Geteuid() != 0 {
		testenv.Skip(t, "needs root")
	}
	testenv.NeedCall(t, "chroot", unix.SYS_CHROOT)
	s := spawntest.Exits(t, 0)
	s.File = openProgram(t, s.Path, os.O_RDONLY)
	s.Attr = attr.List{attr.Chroot(t.TempDir())}
	spawntest.Succeeds(t, s)
}
