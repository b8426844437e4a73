//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// The helper writes as programs do that expect descriptors to block.
var _ = testenv.RegisterHelper("flood", func(args []string) int {
	fd, _ := strconv.Atoi(args[0])
	left, _ := strconv.Atoi(args[1])
	buf := make([]byte, 8192)
	for left > 0 {
		n, err := unix.Write(fd, buf[:min(left, len(buf))])
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		left -= n
	}
	return 0
})

// flood reads slowly what a child writes to the end of a pipe that is given to it.
func flood(t *testing.T, r, w *os.File, fd int, change func(s *spawn.Spec)) {
	t.Helper()
	const size = 200_000
	s := spawntest.Helper(t, "flood", strconv.Itoa(fd), strconv.Itoa(size))
	s.Actions.Open(2, os.DevNull, os.O_WRONLY, 0)
	s.Actions.File(w, fd)
	if change != nil {
		change(s)
	}
	flags := statusFlags(t, w)
	p, err := spawn.Start(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // the pipe fills
	if now := statusFlags(t, w); now != flags {
		t.Errorf("flags of this process's end were %v and are %v", flags, now)
	}
	// This end still has a deadline.
	if err := w.SetWriteDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Error(err)
	} else if _, err := w.Write([]byte{1}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v, want the deadline's error", err)
	}
	w.Close()
	n, err := io.Copy(io.Discard, r)
	if err != nil || n != size {
		t.Errorf("read %d bytes, %v", n, err)
	}
	if state, err := p.Wait(t.Context()); err != nil || !state.Success() {
		t.Errorf("%v, %v", state, err)
	}
}

// TestPipesBlockInChild passes ends of os.Pipe: the program finds one that blocks,
// and this process keeps its own as it is.
func TestPipesBlockInChild(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			fd     int
			change func(s *spawn.Spec)
		}{
			"as stdout":     {1, nil},
			"InheritAll":    {1, func(s *spawn.Spec) { s.Actions.InheritAll() }},
			"and more":      {5, func(s *spawn.Spec) { s.Actions.Open(3, os.DevNull, os.O_RDONLY, 0); s.Actions.Dup2(5, 4) }},
			"CloseFrom":     {5, func(s *spawn.Spec) { s.Actions.Dup2(5, 2); s.Actions.CloseFrom(6) }},
			"copied memory": {1, func(s *spawn.Spec) { s.Attr = attr.List{attr.NoHugePages{}} }},
			"InheritAll, CloseFrom": {5, func(s *spawn.Spec) {
				s.Actions.InheritAll()
				s.Actions.CloseFrom(6)
			}},
		} {
			t.Run(name, func(t *testing.T) {
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				flood(t, r, w, c.fd, c.change)
			})
		}
		t.Run("own number", func(t *testing.T) {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			flood(t, r, w, numberOf(t, w), nil)
		})
		t.Run("high numbers", func(t *testing.T) {
			openMany(t, 400)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			flood(t, r, w, 1, nil)
		})
	})
}

// TestCompiledPipesBlockInChild does the same with a program that is started more
// than once.
func TestCompiledPipesBlockInChild(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := waiter(t)
	s.Actions.File(r, 0)
	s.Actions.File(w, 1)
	s.Actions.File(w, 2)
	prog, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		err := withChild(prog, func(pid int) error {
			for n := range 3 {
				if blocks, err := blocksIn(pid, n); err != nil || !blocks {
					t.Errorf("descriptor %d does not block, %v", n, err)
				}
			}
			return nil
		}, func(err error) error { return err })
		if err != nil {
			t.Error(err)
		}
	}
	checkDeadline(t, r, w)
}

// blocksIn reports whether a descriptor of a process blocks.
func blocksIn(pid, n int) (bool, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/fdinfo/%d", pid, n))
	if err != nil {
		return false, err
	}
	var pos, flags int64
	_, err = fmt.Sscanf(string(b), "pos: %d\nflags: %o", &pos, &flags)
	return flags&unix.O_NONBLOCK == 0, err
}

// TestOpenedFilesBlockInChild passes what os.OpenFile makes non-blocking.
func TestOpenedFilesBlockInChild(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	files := []*os.File{}
	open := func(path string) {
		f, err := os.OpenFile(path, os.O_RDWR|unix.O_NOCTTY, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		files = append(files, f)
	}
	open(fifo)
	_, slave := testenv.OpenPTY(t)
	open(slave.Name())
	s := waiter(t)
	for i, f := range files {
		if statusFlags(t, f)[0]&unix.O_NONBLOCK == 0 {
			t.Fatalf("%s blocks", f.Name())
		}
		s.Actions.File(f, i)
	}
	err := withWaiter(s, func(pid int) error {
		for n, f := range files {
			if blocks, err := blocksIn(pid, n); err != nil || !blocks {
				t.Errorf("%s does not block, %v", f.Name(), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestNumbersStayNonBlocking: what is passed by its number is passed as it is.
func TestNumbersStayNonBlocking(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	s := waiter(t)
	s.Actions.Dup2(numberOf(t, w), 1)
	s.Actions.Inherit(numberOf(t, r))
	err = withWaiter(s, func(pid int) error {
		for _, n := range []int{1, numberOf(t, r)} {
			if blocks, err := blocksIn(pid, n); err != nil || blocks {
				t.Errorf("%d blocks, %v", n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
