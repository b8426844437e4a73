//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	osexec "os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
)

func init() {
	testenv.RegisterHelper("modes", modes)
	testenv.RegisterHelper("closed", closedStreams)
	testenv.RegisterHelper("stray", strayClose)
	testenv.RegisterHelper("refused", refusedCalls)
}

// TestNullModes wants a nil Stdin to be for reading only, and Stdout and Stderr for
// writing only.
func TestNullModes(t *testing.T) {
	got := map[string]string{}
	for _, who := range []string{"os/exec", "here"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		if who == "here" {
			err = (&exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("modes"), ExtraFiles: []*os.File{w}}).Run()
		} else {
			err = (&osexec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("modes"), ExtraFiles: []*os.File{w}}).Run()
		}
		w.Close()
		out, rerr := io.ReadAll(r)
		r.Close()
		if err != nil || rerr != nil {
			t.Fatal(who, err, rerr)
		}
		got[who] = string(out)
	}
	if got["here"] != got["os/exec"] || got["here"] == "" {
		t.Errorf("%q", got)
	}
}

// modes reports to descriptor 3 what the standard streams are.
func modes([]string) int {
	report := os.NewFile(3, "report")
	for fd := range 3 {
		link, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		fmt.Fprintln(report, link, flags, err)
	}
	return 0
}

// TestFewStayOpen wants two descriptors at most to be kept after all kinds of runs.
func TestFewStayOpen(t *testing.T) {
	closeAndUseAll(t, "")
}

// TestClosedStandardStreams runs programs in a process that has closed its own.
func TestClosedStandardStreams(t *testing.T) {
	for _, closed := range []string{"0", "1", "01", "02", "12", "012"} {
		closeAndUseAll(t, closed)
	}
}

func closeAndUseAll(t *testing.T, closed string) {
	t.Helper()
	report, err := os.CreateTemp(t.TempDir(), "report")
	if err != nil {
		t.Fatal(err)
	}
	defer report.Close()
	c := exec.Command(testenv.Self(t))
	c.Args = testenv.HelperArgs("closed", closed)
	c.ExtraFiles = []*os.File{report}
	err = c.Run()
	out, rerr := os.ReadFile(report.Name())
	if err != nil || rerr != nil || len(out) > 0 {
		t.Errorf("%q closed: %v, %v, %s", closed, err, rerr, out)
	}
}

// closedStreams closes streams and then uses all that opens descriptors. It reports
// to descriptor 3.
func closedStreams(args []string) int {
	report := os.NewFile(3, "report")
	bad := 0
	say := func(format string, args ...any) {
		bad = 1
		fmt.Fprintf(report, format+"\n", args...)
	}
	r, w, err := os.Pipe() // the poller opens its own where there is room
	if err != nil {
		say("%v", err)
	}
	r.Close()
	w.Close()
	low := map[int]bool{}
	for _, n := range args[0] {
		low[int(n-'0')] = true
		if err := unix.Close(int(n - '0')); err != nil {
			say("%c: %v", n, err)
		}
	}
	before := len(openFiles())
	look := func(when string) {
		for _, fd := range openFiles() {
			// For a moment the runtime, or a look at /proc, may have what is free.
			if low[fd] && !testenv.Soon(func() bool { return !slices.Contains(openFiles(), fd) }) {
				say("%s: %d is open", when, fd)
			}
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if err == nil && fd > 3 && flags&unix.FD_CLOEXEC == 0 {
				say("%s: %d is not close-on-exec", when, fd)
			}
		}
	}
	var pidfd int
	for when, set := range map[string]func(c *exec.Cmd){
		"plain":      func(*exec.Cmd) {},
		"buffers":    func(c *exec.Cmd) { c.Stdin, c.Stderr = strings.NewReader("x"), new(bytes.Buffer) },
		"stdin pipe": func(c *exec.Cmd) { _, _ = c.StdinPipe() },
		"pipes":      func(c *exec.Cmd) { c.Stdout = nil; _, _ = c.StdoutPipe(); _, _ = c.StderrPipe() },
		"pidfd":      func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{PidFD: &pidfd} },
		"tree":       func(c *exec.Cmd) { c.Tree = true },
		"inherit":    func(c *exec.Cmd) { c.InheritAll = true },
	} {
		var out bytes.Buffer
		c := exec.Command("/bin/sh", "-c", "echo out; exec sleep 1000")
		c.Stdout, pidfd = &out, -1
		set(c)
		look(when + ", before")
		if err := c.Start(); err != nil {
			say("%s: %v", when, err)
			continue
		}
		look(when + ", alive")
		waited := make(chan error)
		go func() { waited <- c.Wait() }()
		time.Sleep(5 * time.Millisecond) // it waits by now, or the look is about less
		look(when + ", waited for")
		if err := c.Kill(); err != nil {
			say("%s: %v", when, err)
		}
		<-waited // killed
		if pidfd >= 0 {
			_ = unix.Close(pidfd)
		}
	}
	if out, err := exec.Command("/bin/sh", "-c", "cat; echo out").Output(); string(out) != "out\n" || err != nil {
		say("output %q, %v", out, err)
	}
	look("afterwards")
	if more := len(openFiles()) - before; more > 2 {
		say("%d descriptors stay open: %v", more, openFiles())
	}
	return bad
}

// openFiles are the descriptors of this process, but for those that the engine
// keeps free for files with high numbers.
func openFiles() (list []int) {
	for fd := range 100 {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err == nil && flags&unix.O_PATH == 0 {
			list = append(list, fd)
		}
	}
	return list
}

// TestStrayClose has other code close what this package keeps, and open its own
// file at the number.
func TestStrayClose(t *testing.T) {
	path := t.TempDir() + "/mine"
	out, err := (&exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs("stray", path)}).CombinedOutput()
	if err != nil {
		t.Errorf("%s%v", out, err)
	}
}

func strayClose(args []string) int {
	echo := func() error { return exec.Command("/bin/sh", "-c", "cat; echo of the child; echo too >&2").Run() }
	if err := echo(); err != nil {
		return status(err)
	}
	if err := os.WriteFile(args[0], []byte("mine"), 0o600); err != nil {
		return status(err)
	}
	var taken []int
	for _, fd := range openFiles() {
		link, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		if link != os.DevNull || fd < 3 {
			continue
		}
		_ = unix.Close(fd)
		mine, err := unix.Open(args[0], unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err == nil && mine != fd {
			err = errors.Join(unix.Dup3(mine, fd, unix.O_CLOEXEC), unix.Close(mine))
		}
		if err != nil {
			return status(err)
		}
		taken = append(taken, fd)
	}
	if len(taken) == 0 {
		return status(errors.New("nothing is kept"))
	}
	for range 3 {
		if err := echo(); err != nil {
			return status(err)
		}
		runtime.GC()
	}
	for _, fd := range taken {
		link, _ := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
		at, err := unix.Seek(fd, 0, io.SeekCurrent)
		if link != args[0] || at != 0 || err != nil {
			return status(fmt.Errorf("%d is %q at %d; %w", fd, link, at, err))
		}
	}
	if now, err := os.ReadFile(args[0]); string(now) != "mine" {
		return status(fmt.Errorf("the file is %q; %w", now, err))
	}
	return 0
}

// TestContextAfterTheEnd ends a context when the child has been waited for, and
// another process still has its output.
func TestContextAfterTheEnd(t *testing.T) {
	for _, who := range []string{"os/exec", "here"} {
		hold, release, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		pidFile, pidOut, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		const script = `(read x <&3; echo late) & echo $$ >&4`
		var out bytes.Buffer
		called := false
		theirs, ours := osexec.CommandContext(ctx, "/bin/sh", "-c", script), exec.CommandContext(ctx, "/bin/sh", "-c", script)
		theirs.ExtraFiles, theirs.Stdout, theirs.Cancel = []*os.File{hold, pidOut}, &out, func() error { called = true; return nil }
		ours.ExtraFiles, ours.Stdout, ours.Cancel = theirs.ExtraFiles, theirs.Stdout, theirs.Cancel
		run := map[string]func() error{"os/exec": theirs.Run, "here": ours.Run}[who]
		ran := make(chan error)
		go func() { ran <- run() }()
		if err := pidFile.SetReadDeadline(time.Now().Add(testenv.Patience)); err != nil { // this process has pidOut open
			t.Fatal(err)
		}
		var pid int
		if _, err := fmt.Fscan(pidFile, &pid); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, "it was reaped", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
		time.Sleep(10 * time.Millisecond) // Wait goes on
		cancel()
		time.Sleep(10 * time.Millisecond) // Cancel would be called
		release.Close()
		if err := <-ran; err != nil || called || out.String() != "late\n" {
			t.Errorf("%s: %v, %q; Cancel was called: %v", who, err, out.String(), called)
		}
		for _, f := range []*os.File{hold, pidFile, pidOut} {
			f.Close()
		}
	}
}

// gate is a writer that is held up at first.
type gate struct {
	open    chan struct{}
	entered sync.Once
	in      chan struct{} // closed when somebody waits to write
	buf     bytes.Buffer
}

func (g *gate) Write(p []byte) (int, error) {
	g.entered.Do(func() { close(g.in) })
	<-g.open
	return g.buf.Write(p)
}

// TestWrittenBeforeTheEnd wants all that was written before WaitDelay was over,
// however late it is read, while others keep the pipe open and write.
func TestWrittenBeforeTheEnd(t *testing.T) {
	const script = `echo first; read x; head -c 50000 /dev/zero; (while echo more; do :; done) & echo $! >&2; exit 0`
	for _, tree := range []bool{false, true} {
		g := &gate{open: make(chan struct{}), in: make(chan struct{})}
		c := exec.Command("/bin/sh", "-c", script)
		c.Stdout, c.WaitDelay, c.Tree = g, time.Millisecond, tree
		in, err := c.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		<-g.in // what follows stays in the pipe
		in.Close()
		waited := make(chan error)
		go func() { waited <- c.Wait() }()
		testenv.Eventually(t, "the child has ended", func() bool { return testenv.IsOver(c.Process.Pid) })
		time.Sleep(200 * time.Millisecond) // longer than what is tried before the pipe is closed
		close(g.open)
		if err := <-waited; !errors.Is(err, exec.ErrWaitDelay) {
			t.Errorf("Tree %v: %v", tree, err)
		}
		if n := g.buf.Len(); n < len("first\n")+50000 {
			t.Errorf("Tree %v: %d bytes", tree, n)
		}
	}
}

// TestRefusedCalls has calls of this process refused from the start on. What can't
// be done is an error, and nothing is left behind; what can be done in another way
// is done.
func TestRefusedCalls(t *testing.T) {
	testenv.NeedOSWait(t)
	for name, r := range map[string]refusal{
		"epoll_ctl": {unix.SYS_EPOLL_CTL, 2, unix.BPF_JGE, lowEnd, unix.ENOSPC},
		"pidfd":     {unix.SYS_PIDFD_OPEN, 0, unix.BPF_JGE, 0, unix.EMFILE},
		"waitid":    {unix.SYS_WAITID, 0, unix.BPF_JGE, 0, unix.ENOSYS},
		"kcmp":      {unix.SYS_KCMP, 0, unix.BPF_JGE, 0, unix.EPERM},
		"-pipe2":    {unix.SYS_PIPE2, 1, unix.BPF_JGE, 0, unix.EMFILE},
		"-F_SETFL":  {unix.SYS_FCNTL, 1, unix.BPF_JEQ, unix.F_SETFL, unix.EINVAL},
		"-F_DUPFD":  {unix.SYS_FCNTL, 1, unix.BPF_JEQ, unix.F_DUPFD_CLOEXEC, unix.EMFILE},
		"-read":     {unix.SYS_READ, 0, unix.BPF_JGE, lowEnd, unix.EIO},
	} {
		t.Run(name, func(t *testing.T) {
			c := exec.Command(testenv.Self(t))
			c.Args = testenv.HelperArgs("refused", name)
			c.Attr = attr.List{attr.NoNewPrivs{}, r.filter()}
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%s%v", out, err)
			}
		})
	}
}

// lowEnd is above the descriptors of the runtime, and below those that are made
// later.
const lowEnd = 20

// refusal is of a system call with an argument that compares to a number.
type refusal struct {
	call, arg int
	compare   uint16
	number    uint32
	errno     syscall.Errno
}

func (r refusal) filter() attr.Seccomp {
	const number = 0
	return attr.Seccomp{Filter: []attr.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: number},
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: uint32(r.call), Jf: 3},
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: raw.LowOfArg(r.arg)},
		{Code: unix.BPF_JMP | r.compare | unix.BPF_K, K: r.number, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(r.errno)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}}
}

// refusedCalls starts programs in all ways. A name with a minus is of a call without
// which some can't be done.
func refusedCalls(args []string) int {
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return status(err)
	}
	os.NewFile(uintptr(event), "event").Close() // the poller has what it needs
	for fd := 0; fd < lowEnd; {
		if fd, err = unix.Open(os.DevNull, unix.O_RDONLY|unix.O_CLOEXEC, 0); err != nil {
			return status(err)
		}
	}
	const size = 200000
	zeros := func() *exec.Cmd { return exec.Command("head", "-c", strconv.Itoa(size), "/dev/zero") }
	ways := map[string]func() (int, error){
		"run":    func() (int, error) { return size, exec.Command("true").Run() },
		"output": func() (int, error) { b, err := zeros().Output(); return len(b), err },
		"both":   func() (int, error) { b, err := zeros().CombinedOutput(); return len(b), err },
		"copied": func() (int, error) {
			var out, diag plainBuffer
			c := exec.Command("cat")
			c.Stdin, c.Stdout, c.Stderr = bytes.NewReader(make([]byte, size)), &out, &diag
			err := c.Run()
			return out.buf.Len(), err
		},
		"piped": func() (int, error) {
			c := zeros()
			r, err := c.StdoutPipe()
			if err != nil {
				return 0, err
			}
			if err := c.Start(); err != nil {
				return 0, err
			}
			b, rerr := io.ReadAll(r)
			r.Close()
			return len(b), errors.Join(c.Wait(), rerr)
		},
		"long": func() (int, error) { return size, exec.Command("sleep", "0.05").Run() },
	}
	_, _ = ways["run"]() // keeps the null device
	_, _ = ways["output"]()
	_, _ = ways["long"]()
	before := openFiles()
	bad := 0
	for way, do := range ways {
		n, err := do()
		if (err != nil || n != size) && args[0][0] != '-' || err == nil && n != size {
			bad = 1
			fmt.Printf("%s: %d bytes, %v\n", way, n, err)
		}
		if now := openFiles(); !slices.Equal(now, before) {
			bad = 1
			fmt.Printf("%s: descriptors %v, %v before\n", way, now, before)
		}
		if unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil) == nil {
			bad = 1
			fmt.Println(way, "leaves a child")
		}
	}
	return bad
}

// plainBuffer could be the user's.
type plainBuffer struct{ buf bytes.Buffer }

func (b *plainBuffer) Write(p []byte) (int, error) { return b.buf.Write(p) }
