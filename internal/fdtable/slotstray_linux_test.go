//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// strayFile puts a file of the caller's at a number, whatever is there.
func strayFile(t *testing.T, path string, fd int) (still func() bool) {
	t.Helper()
	flags := unix.O_RDWR
	if path == "/" {
		flags = unix.O_PATH // as the neutral file is opened
	}
	f, err := unix.Open(path, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(f) })
	var want unix.Stat_t
	if err := unix.Fstat(f, &want); err != nil {
		t.Fatal(err)
	}
	if err := unix.Dup3(f, fd, unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return func() bool {
		var st unix.Stat_t
		fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err == nil && fl&unix.O_PATH == flags&unix.O_PATH && unix.Fstat(fd, &st) == nil && st.Ino == want.Ino && st.Dev == want.Dev
	}
}

// TestSlotsGoneAstray closes slots, or puts files over them, before a start. A file
// that is there is left alone, also one on the null device as the slots are.
func TestSlotsGoneAstray(t *testing.T) {
	for name, path := range map[string]string{"a file": "/dev/zero", "the null device": os.DevNull, "a path": "/"} {
		for at, number := range map[string]func() int{
			"a slot":       func() int { first, _ := fdtable.SlotsForTest(); return first },
			"the last one": func() int { first, n := fdtable.SlotsForTest(); return first + n },
		} {
			t.Run(name+" over "+at, func(t *testing.T) {
				t.Cleanup(fdtable.ForgetSlotsForTest)
				openMany(t, 400)
				fd := number()
				still := strayFile(t, path, fd)
				for range 3 {
					if out, _, err := spawntest.TryOutput(spawntest.Helper(t, "print", "x")); err != nil || out != "x" {
						t.Errorf("got %q, %v", out, err)
					}
					if !still() {
						t.Fatalf("the file at %d is gone", fd)
					}
				}
			})
		}
	}
}

// TestSlotsAstrayMeanwhile puts files over slots that are in use, and over the
// neutral one, and closes some, while a child is on its way: what is put there
// stays, and no file of the start is kept open.
func TestSlotsAstrayMeanwhile(t *testing.T) {
	for name, disturb := range map[string]func(t *testing.T, first, n int) (still func() bool){
		"file over used slot":    func(t *testing.T, first, _ int) func() bool { return strayFile(t, "/dev/zero", first) },
		"null over used slot":    func(t *testing.T, first, _ int) func() bool { return strayFile(t, os.DevNull, first) },
		"file over neutral file": func(t *testing.T, first, n int) func() bool { return strayFile(t, "/dev/zero", first+n) },
		"used slot closed": func(t *testing.T, first, _ int) func() bool {
			unix.Close(first)
			return func() bool { return unix.Fstat(first, new(unix.Stat_t)) == unix.EBADF }
		},
		"neutral file closed": func(t *testing.T, first, n int) func() bool {
			unix.Close(first + n)
			return func() bool { return true }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(fdtable.ForgetSlotsForTest)
			openMany(t, 400)
			first, n := fdtable.SlotsForTest()
			fifos := [2]string{filepath.Join(t.TempDir(), "reached"), filepath.Join(t.TempDir(), "go on")}
			for _, fifo := range fifos {
				if err := unix.Mkfifo(fifo, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			r, w := highPipe(t)
			s := spawntest.Helper(t, "print", "x")
			s.Actions.File(w, 1)
			s.Actions.Open(0, fifos[0], os.O_RDONLY, 0)
			s.Actions.Open(0, fifos[1], os.O_RDONLY, 0)
			s.Actions.Open(2, os.DevNull, os.O_WRONLY, 0)
			ended := make(chan error, 1)
			go func() {
				_, err := spawn.Run(t.Context(), s)
				ended <- err
			}()
			openWriter(t, fifos[0])
			still := disturb(t, first, n)
			openWriter(t, fifos[1])
			if err := <-ended; err != nil {
				t.Error(err)
			}
			w.Close()
			if out, err := io.ReadAll(r); err != nil || string(out) != "x" {
				t.Errorf("read %q, %v", out, err)
			}
			if !still() {
				t.Error("what was put there is gone")
			}
		})
	}
}

// openWriter opens a FIFO, and returns when somebody has opened it for reading.
func openWriter(t *testing.T, fifo string) {
	t.Helper()
	f, err := testenv.OpenWriter(fifo)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}
