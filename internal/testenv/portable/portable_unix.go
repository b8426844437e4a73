//go:build unix

package portable

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/testenv"
)

var _ = testenv.RegisterHelper("inherited", inherited)

// inherited prints the descriptors that it has, but for its arguments.
func inherited(args []string) int {
	got := slices.DeleteFunc(passedOn(), func(n string) bool { return slices.Contains(args, n) })
	os.Stdout.WriteString(strings.Join(got, " "))
	return 0
}

// passedOn is the descriptors that are not close-on-exec: those of a program when
// it begins, for package os opens none.
func passedOn() (list []string) {
	for n := range 100 {
		if flags, err := unix.FcntlInt(uintptr(n), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			list = append(list, fmt.Sprint(n))
		}
	}
	return list
}

// OpenAt40 opens /dev/null as descriptor 40 or the next that is free.
func OpenAt40(t *testing.T, cmd int) int {
	t.Helper()
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := unix.FcntlInt(f.Fd(), cmd, 40)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(n) })
	return n
}

// Descriptors are tables of descriptors.
func Descriptors(t *testing.T, run Run) {
	others := slices.DeleteFunc(passedOn(), func(n string) bool { return len(n) == 1 && n < "3" })
	open, cloexec := OpenAt40(t, unix.F_DUPFD), OpenAt40(t, unix.F_DUPFD)
	unix.CloseOnExec(cloexec)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cases := []struct {
		name    string
		actions func(a Actions)
		out     string
	}{
		{"nothing but 0, 1 and 2", func(a Actions) {}, "0 1 2"},
		{"gaps", func(a Actions) { a.File(null, 20); a.File(null, 5) }, "0 1 2 5 20"},
		{"inherit", func(a Actions) { a.Inherit(open); a.Inherit(cloexec) }, fmt.Sprintf("0 1 2 %d %d", open, cloexec)},
		{"dup2 to itself", func(a Actions) { a.Dup2(cloexec, cloexec) }, fmt.Sprint("0 1 2 ", cloexec)},
		{"dup2 does not keep", func(a Actions) { a.Dup2(open, 6) }, "0 1 2 6"},
		{"closefrom", func(a Actions) {
			a.File(null, 3)
			a.File(null, 4)
			a.File(null, 5)
			a.CloseFrom(4)
			a.File(null, 8)
		}, "0 1 2 3 8"},
		{"close", func(a Actions) { a.File(null, 6); a.File(null, 7); a.Close(6) }, "0 1 2 7"},
		{"close after inherit", func(a Actions) { a.Inherit(open); a.Close(open) }, "0 1 2"},
		{"inherit all", func(a Actions) { a.InheritAll() }, fmt.Sprint("0 1 2 ", open)},
		{"inherit all around a file", func(a Actions) { a.File(null, 60); a.InheritAll() }, fmt.Sprintf("0 1 2 %d 60", open)},
		{"inherit all but one", func(a Actions) { a.InheritAll(); a.Close(open) }, "0 1 2"},
		{"inherit all but the upper", func(a Actions) { a.InheritAll(); a.CloseFrom(open) }, "0 1 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if runtime.GOOS != "linux" && runtime.GOOS != "darwin" && c.out == "0 1 2" {
				testenv.Skip(t, "descriptors above those that are named are not closed here")
			}
			s := helper(t, "inherited")
			if strings.HasPrefix(c.name, "inherit all") {
				s.Args = append(s.Args, others...)
			}
			s.Actions = c.actions
			run.want(t, s, c.out)
		})
	}
}

// ClosedStdio has a shell say what is closed: Go opens what is missing of 0, 1 and 2.
func ClosedStdio(t *testing.T, run Run) {
	run.want(t, &Spec{
		Path: "/bin/sh", Args: []string{"sh", "-c", "for n in 0 2 5; do (exec 9<&$n) && echo $n; done"},
		Actions: func(a Actions) {
			a.Close(2)
			a.Dup2(0, 5)
			a.Close(0)
		},
	}, "5\n")
}

// Script is about relative paths.
func Script(t *testing.T, run Run) {
	dir := Dir(t)
	script := testenv.Write(t, filepath.Join(dir, "sub", "script"), "#!/bin/sh\necho \"$0 $#\"\npwd\n", 0o700)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "sub"), link); err != nil {
		t.Fatal(err)
	}
	out, _ := run.output(t, &Spec{Path: script, Actions: func(Actions) {}})
	if want := script + " 0\n"; !strings.HasPrefix(out, want) {
		t.Errorf("%q, want %q first", out, want)
	}
	run.want(t, &Spec{
		Path: "./script", Env: []string{},
		Actions: func(a Actions) {
			a.Chdir(link)
			a.Open(7, "../old", os.O_RDONLY, 0) // above sub, not above link
		},
	}, fmt.Sprintf("./script 0\n%s\n", filepath.Join(dir, "sub")))
}

// OpenAt opens files below a directory that is open, with modes.
func OpenAt(t *testing.T, run Run) {
	dir := Dir(t)
	s := helper(t, "talk")
	s.Actions = func(a Actions) {
		a.Open(5, dir, os.O_RDONLY, 0)
		a.Chdir("/")
		a.OpenAt(1, 5, "new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
		a.OpenAt(5, 5, "sub/new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600|os.ModeSticky)
		a.Dup2(5, 2)
	}
	run.want(t, s, "")
	wantFile(t, filepath.Join(dir, "new"), "out\n")
	wantFile(t, filepath.Join(dir, "sub/new"), "err\n")
	st, err := os.Stat(filepath.Join(dir, "new"))
	if err != nil {
		t.Fatal(err)
	}
	umask := unix.Umask(0)
	unix.Umask(umask)
	if want := os.FileMode(0o640 &^ umask); st.Mode() != want {
		t.Errorf("mode %v, want %v", st.Mode(), want)
	}
}

// Flags finds the caller's files as they were: non-blocking, and with deadlines that
// work.
func Flags(t *testing.T, run Run) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	before := [2]int{fileFlags(t, r), fileFlags(t, w)}
	if before[0]&unix.O_NONBLOCK == 0 {
		t.Fatal("os.Pipe is blocking; this test shows nothing")
	}
	s := helper(t, "exit", "0")
	s.Actions = func(a Actions) {
		a.File(r, 0)
		a.File(w, 5)
	}
	for _, path := range []string{s.Path, "/nonexistent"} {
		s.Path = path
		_, err := run(t, s)
		if (err != nil) != (path == "/nonexistent") {
			t.Fatal(err)
		}
		if after := [2]int{fileFlags(t, r), fileFlags(t, w)}; after != before {
			t.Fatalf("%s: flags %#x, before %#x", path, after, before)
		}
	}
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v", err)
	}
}

// fileFlags reads the flags of an open file without changing them.
func fileFlags(t *testing.T, f *os.File) (flags int) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var inner error
	err = conn.Control(func(fd uintptr) { flags, inner = unix.FcntlInt(fd, unix.F_GETFL, 0) })
	if err := errors.Join(err, inner); err != nil {
		t.Fatal(err)
	}
	return flags
}

// Busy starts a program that is still open for writing.
func Busy(t *testing.T, run Run) {
	path, err := exec.LookPath("true")
	if err != nil {
		testenv.Skip(t, "no program to copy")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	program := testenv.Write(t, filepath.Join(t.TempDir(), "true"), string(text), 0o700)
	f, err := os.OpenFile(program, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(20*time.Millisecond, func() { f.Close() })
	defer timer.Stop()
	if _, err := run(t, &Spec{Path: program, Actions: func(Actions) {}}); err != nil {
		t.Error(err)
	}
}
