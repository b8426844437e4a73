//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// statusFlags are the flags of a file and of its descriptor.
func statusFlags(t *testing.T, f *os.File) [2]int {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var flags [2]int
	err = conn.Control(func(fd uintptr) {
		for i, cmd := range []int{unix.F_GETFL, unix.F_GETFD} {
			n, err := unix.FcntlInt(fd, cmd, 0)
			if err != nil {
				t.Error(err)
			}
			flags[i] = n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return flags
}

// TestFileKeepsFlagsAndOffset passes a regular file and a pipe, at their own
// numbers and at others, and finds the caller's as they were.
func TestFileKeepsFlagsAndOffset(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		file, err := os.Create(filepath.Join(t.TempDir(), "file"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString("0123456789"); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(7, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		defer w.Close()
		open := []*os.File{file, r, w}
		var before [3][2]int
		s := waiter(t)
		for i, f := range open {
			before[i] = statusFlags(t, f)
			s.Actions.File(f, 100+i)
			s.Actions.File(f, i)
			s.Actions.File(f, numberOf(t, f))
		}
		if before[1][0]&unix.O_NONBLOCK == 0 || before[1][1]&unix.FD_CLOEXEC == 0 {
			t.Fatalf("the pipe has flags %v", before[1])
		}
		err = withWaiter(s, func(pid int) error {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/100", pid))
			if !strings.HasPrefix(string(b), "pos:\t7\n") {
				t.Errorf("the child does not share the offset: %s", b)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range open {
			if now := statusFlags(t, f); now != before[i] {
				t.Errorf("flags of file %d were %v and are %v", i, before[i], now)
			}
		}
		if at, err := file.Seek(0, io.SeekCurrent); at != 7 || err != nil {
			t.Errorf("offset %d, %v", at, err)
		}
		checkDeadline(t, r, w)
	})
}

func numberOf(t *testing.T, f *os.File) (n int) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { n = int(fd) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func checkDeadline(t *testing.T, r, w *os.File) {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read with a deadline: %v", err)
	}
	if err := r.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte{1}); err != nil {
		t.Error(err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("read: %d, %v", n, err)
	}
}

// TestReadDuringSpawn spawns with a file that another goroutine is reading from.
func TestReadDuringSpawn(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		got := make(chan string)
		go func() {
			b, err := io.ReadAll(r)
			got <- fmt.Sprint(string(b), err)
		}()
		s := waiter(t)
		s.Actions.File(r, 0)
		s.Actions.File(w, 1)
		if err := withWaiter(s, func(int) error { return nil }); err != nil {
			t.Error(err)
		}
		_, err = w.WriteString("text")
		w.Close()
		if text := <-got; err != nil || text != "text<nil>" {
			t.Errorf("%v, %q", err, text)
		}
	})
}

// childFiles runs a waiter and returns what it has.
func childFiles(t *testing.T, s *spawn.Spec) (table map[int]fileID) {
	t.Helper()
	err := withWaiter(s, func(pid int) error {
		fds, err := tableOf(pid)
		table = map[int]fileID{}
		for n, fd := range fds {
			table[n] = fd.id
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func mustFile(t *testing.T, path string) fileID {
	t.Helper()
	id, err := fileOf(path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// TestOpenRelativeToDirectories opens files of the same name in directories that
// are given in each of the possible ways, one of them renamed meanwhile.
func TestOpenRelativeToDirectories(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		top := t.TempDir()
		path := func(name string) string { return filepath.Join(top, name) }
		for _, name := range []string{"a", "b", "c", "c/d"} {
			if err := os.Mkdir(path(name), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path(name+"/file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dir, err := os.Open(path("a"))
		if err != nil {
			t.Fatal(err)
		}
		defer dir.Close()
		if err := os.Rename(path("a"), path("renamed")); err != nil {
			t.Fatal(err)
		}
		s := waiter(t)
		a := &s.Actions
		a.Chdir(path("b"))
		a.Open(3, "file", os.O_RDONLY, 0)
		a.File(dir, 9)
		a.OpenAt(4, 9, "file", os.O_RDONLY, 0)
		a.Open(5, "../c", unix.O_DIRECTORY, 0)
		a.Fchdir(5)
		a.Open(6, "file", os.O_RDONLY|unix.O_CLOEXEC, 0)
		a.Chdir("d")
		a.Open(7, "file", os.O_RDONLY, 0)
		a.OpenAt(9, 9, "file", os.O_RDONLY, 0)
		a.Close(5)
		got := childFiles(t, s)
		for n := range 3 {
			delete(got, n)
		}
		want := map[int]fileID{
			3: mustFile(t, path("b/file")), 4: mustFile(t, path("renamed/file")),
			6: mustFile(t, path("c/file")), 7: mustFile(t, path("c/d/file")), 9: mustFile(t, path("renamed/file")),
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestOpenLarge opens a file whose size a number of 32 bits can't hold, and one to write on
// at its end.
func TestOpenLarge(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "large")
		const size = 3 << 30
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		s := waiter(t)
		s.Actions.Open(3, path, os.O_RDONLY, 0)
		s.Actions.OpenAt(4, unix.AT_FDCWD, path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
		want := map[int]fileID{3: mustFile(t, path), 4: mustFile(t, path)}
		if !testenv.Lacks(unix.SYS_OPENAT2) {
			s.Actions.OpenAt2(5, unix.AT_FDCWD, path, os.O_RDONLY, 0, unix.RESOLVE_NO_MAGICLINKS)
			s.Actions.OpenAt2(6, unix.AT_FDCWD, path, unix.O_PATH, 0, 0) // takes no flag beside
			want[5], want[6] = want[3], want[3]
		}
		got := childFiles(t, s)
		for n := range 3 {
			delete(got, n)
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestOpenPermissions looks at the modes of files that the child makes.
func TestOpenPermissions(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	spawntest.EachEngine(t, func(t *testing.T) {
		dir := t.TempDir()
		s := waiter(t)
		modes := map[string]fs.FileMode{"plain": 0o666, "none": 0, "all": 0o777, "sticky": 0o777 | fs.ModeSticky, "setuid": 0o700 | fs.ModeSetuid}
		for name, mode := range modes {
			s.Actions.Open(5, filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
		}
		if err := withWaiter(s, func(int) error { return nil }); err != nil {
			t.Fatal(err)
		}
		for name, mode := range modes {
			st, err := os.Stat(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if want := mode &^ 0o027; st.Mode() != want {
				t.Errorf("%s has mode %v, want %v", name, st.Mode(), want)
			}
		}
	})
}

// The helper has all numbers below its limit open but one. It is not of use to
// engines that need a pipe for the failure record.
var _ = testenv.RegisterHelper("fds at the limit", func(args []string) int {
	defer spawntest.Force(args[1])()
	return testenv.Status(spawnAtLimit(args[0]))
})

func spawnAtLimit(dir string) error {
	const limit = 40
	s := &spawn.Spec{Path: filepath.Join(dir, waiterName), Env: []string{}}
	// The first spawn opens what is opened once.
	if err := withWaiter(s, func(int) error { return nil }); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return err
	}
	last := -1
	for {
		n, err := unix.Open("/dev/null", unix.O_RDONLY, 0)
		if err != nil {
			break
		}
		last = n
	}
	unix.Close(last) // for the pidfd
	for n := range limit {
		if n != last {
			s.Actions.Inherit(n)
		}
	}
	s.Actions.Dup2(0, last) // the child's table is full now
	s.Actions.Open(5, filepath.Join(dir, "file"), os.O_RDONLY, 0)
	prog, err := spawn.Compile(s)
	if err != nil {
		return err
	}
	p, err := prog.Start(context.Background())
	if err != nil {
		return err
	}
	defer func() {
		_ = p.Kill()
		_, _ = p.Wait(context.Background())
	}()
	unix.Close(10) // room to look
	unix.Close(11)
	if err := awaitExec(p.Pid()); err != nil {
		return err
	}
	table, err := tableOf(p.Pid())
	if err != nil {
		return err
	}
	want, err := fileOf(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	if table[5].id != want || len(table) != limit {
		return fmt.Errorf("%d descriptors, 5 is %v", len(table), table[5])
	}
	return nil
}

// TestOpenWithFullTable shows that Open closes its target before it opens: there
// would be no number otherwise.
func TestOpenWithFullTable(t *testing.T) {
	dir := t.TempDir()
	if _, err := writeWaiter(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, engine := range spawntest.Chosen(t.Name()) {
		t.Run("without "+engine, func(t *testing.T) {
			restore := spawntest.Force(engine)
			lends := spawntest.LendsMemory()
			if restore(); !lends {
				return // a copy has a pipe for its failures
			}
			s := spawntest.Helper(t, "fds at the limit", dir, engine)
			s.Actions.File(os.Stderr, 2)
			state, err := spawn.Run(context.Background(), s)
			if err != nil || !state.Success() {
				t.Errorf("%v, %v", state, err)
			}
		})
	}
}

// TestNumbersOutOfRange gives numbers that can't be.
func TestNumbersOutOfRange(t *testing.T) {
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	limit := int(l.Cur)
	for name, add := range map[string]func(a *spawn.FileActions, n int){
		"Open":   func(a *spawn.FileActions, n int) { a.Open(n, "/dev/null", os.O_RDONLY, 0) },
		"OpenAt": func(a *spawn.FileActions, n int) { a.OpenAt(n, 0, "x", os.O_RDONLY, 0) },
		"Dup2":   func(a *spawn.FileActions, n int) { a.Dup2(0, n) },
		"File":   func(a *spawn.FileActions, n int) { a.File(os.Stderr, n) },
	} {
		for _, n := range []int{-1, limit, 1<<31 - 1} {
			s := waiter(t)
			s.Actions.Close(7)
			add(&s.Actions, n)
			if _, err := spawn.Compile(s); errorIndex(err) != 1 || !errors.Is(err, unix.EINVAL) {
				t.Errorf("%s(%d): %v", name, n, err)
			}
		}
	}
}

// TestCloseBeyondLimit closes numbers at which nothing can be, with files that
// have to be saved, in all engines.
func TestCloseBeyondLimit(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, all := range []bool{false, true} {
			s := waiter(t)
			s.Actions.Close(1<<31 - 1)
			s.Actions.CloseFrom(1<<31 - 2)
			if all {
				s.Actions.InheritAll()
			}
			s.Actions.File(os.Stdout, 2)
			s.Actions.File(os.Stderr, 1)
			got := childFiles(t, s)
			want1, want2 := mustFile(t, "/proc/self/fd/2"), mustFile(t, "/proc/self/fd/1")
			if got[1] != want1 || got[2] != want2 {
				t.Errorf("InheritAll %v: got %v", all, got)
			}
		}
	})
}

// TestCloseFromAboveParentsTable closes one by one what an earlier action has
// put above all descriptors of this process. No other test makes its table as
// large as that.
func TestCloseFromAboveParentsTable(t *testing.T) {
	defer spawntest.Force("close_range")()
	s := waiter(t)
	s.Actions.InheritAll()
	s.Actions.File(os.Stdout, 700)
	s.Actions.CloseFrom(10)
	if _, open := childFiles(t, s)[700]; open {
		t.Error("700 is open")
	}
}
