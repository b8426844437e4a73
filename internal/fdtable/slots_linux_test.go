//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package fdtable_test

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/internal/fdtable"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// needFiles skips a test where the numbers of descriptors end before limit.
func needFiles(t *testing.T, limit int) {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &l); err != nil || l.Cur < uint64(limit) {
		testenv.Skip(t, "needs a higher limit of open files")
	}
}

// openMany opens a file n times. The library has its slots before. What is garbage is closed
// before, so that no lower number becomes free later.
func openMany(t *testing.T, n int) {
	t.Helper()
	needFiles(t, n+200)
	testenv.Settled()
	fdtable.SlotsForTest()
	for range n {
		fd, err := unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Close(fd) })
	}
}

// highPipe is a pipe whose ends have numbers above many others.
func highPipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	if r.Fd() < 300 {
		t.Fatalf("the pipe has the low number %d", r.Fd())
	}
	return r, w
}

var (
	_ = testenv.RegisterHelper("copy", func([]string) int {
		if _, err := io.Copy(os.Stdout, os.Stdin); err != nil {
			return 1
		}
		return 0
	})
	_ = testenv.RegisterHelper("print", func(args []string) int {
		fmt.Print(args[0])
		return 0
	})
)

// TestHighFiles passes files with high numbers: the child has them, the copy of
// the table is a short one, and the slots are as before.
func TestHighFiles(t *testing.T) {
	testenv.NeedCall(t, "close_range", unix.SYS_CLOSE_RANGE)
	openMany(t, 400)
	in, inw := highPipe(t)
	out, outw := highPipe(t)
	s := spawntest.Helper(t, "copy")
	s.Actions.File(in, 0)
	s.Actions.File(outw, 1)
	s.Actions.File(outw, 2)
	p, err := spawn.Compile(s)
	if err != nil {
		t.Fatal(err)
	}
	if first := p.Steps()[1]; first.Syscall != "close_range" || !first.Args[0].Known || first.Args[0].Value > 128 {
		t.Errorf("the first step is %v", first)
	}
	before := slotTargets(t)
	for range 20 {
		proc, err := p.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		line := "some text\n"
		if _, err := io.WriteString(inw, line); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(line))
		if _, err := io.ReadFull(out, got); err != nil || string(got) != line {
			t.Fatalf("got %q, %v", got, err)
		}
		if err := proc.Kill(); err != nil {
			t.Fatal(err)
		}
		if _, err := proc.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if after := slotTargets(t); !slices.Equal(before, after) {
			t.Fatalf("slots were %v, are %v", before, after)
		}
	}
}

// slotTargets lists what is on the slots.
func slotTargets(t *testing.T) (targets []string) {
	t.Helper()
	first, n := fdtable.SlotsForTest()
	if first == 0 {
		t.Fatal("no slots")
	}
	for fd := first; fd < first+n; fd++ {
		target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if err != nil {
			t.Fatal(err)
		}
		targets = append(targets, target)
	}
	return targets
}

// TestHighFilesAtOnce starts more children at once than there are slots for. None
// gets the files of another.
func TestHighFilesAtOnce(t *testing.T) {
	openMany(t, 400)
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for i := range testenv.Rounds(4, 10) {
				text := strings.Repeat(strconv.Itoa(g*100+i), 20)
				out, _, err := spawntest.TryOutput(spawntest.Helper(t, "print", text))
				if err != nil || out != text {
					t.Errorf("got %q, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
}

// TestHighFilesExactly finds nothing in the child but what was named.
func TestHighFilesExactly(t *testing.T) {
	openMany(t, 400)
	spawntest.EachEngine(t, func(t *testing.T) {
		_, w := highPipe(t)
		s := spawntest.Helper(t, "fdlist")
		s.Actions.File(w, 5)
		if got := spawntest.Output(t, s); got != "0 1 2 5" {
			t.Errorf("the child has %s", got)
		}
		s.Actions.CloseFrom(3)
		s.Actions.File(w, 7)
		if got := spawntest.Output(t, s); got != "0 1 2 7" {
			t.Errorf("the child has %s", got)
		}
		// A number of the slots as a target.
		first, _ := fdtable.SlotsForTest()
		s.Actions.File(w, first+1)
		if got, want := spawntest.Output(t, s), "0 1 2 7 "+strconv.Itoa(first+1); got != want {
			t.Errorf("the child has %s, want %s", got, want)
		}
	})
}

// TestSlotsLost closes a slot, as a program might that closes all it does not
// know, and opens a file in its place: that file is left alone.
func TestSlotsLost(t *testing.T) {
	openMany(t, 400)
	defer fdtable.ForgetSlotsForTest()
	first, _ := fdtable.SlotsForTest()
	unix.Close(first)
	f, err := os.Open("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if int(f.Fd()) != first {
		t.Fatalf("the file has the number %d", f.Fd())
	}
	if out, _, err := spawntest.TryOutput(spawntest.Helper(t, "print", "x")); err != nil || out != "x" {
		t.Errorf("got %q, %v", out, err)
	}
	if target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(first)); err != nil || !strings.HasSuffix(target, "/status") {
		t.Errorf("the file is %s, %v", target, err)
	}
}

// It looks at each number: to read the directory would open another.
var _ = testenv.RegisterHelper("fdlist", func([]string) int {
	var open []string
	for fd := range 1024 {
		fl, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if target, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd)); err == nil && fl&unix.FD_CLOEXEC == 0 &&
			!strings.HasPrefix(target, "anon_inode:") {
			open = append(open, strconv.Itoa(fd))
		}
	}
	io.WriteString(os.Stdout, strings.Join(open, " "))
	return 0
})
