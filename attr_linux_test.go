//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
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

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// catSpec is a Spec of cat printing what /proc has about it. A helper would not do:
// the Go runtime changes dispositions and limits before main.
func catSpec(t testing.TB, list ...attr.Attr) *spawn.Spec {
	t.Helper()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Fatal(err)
	}
	return &spawn.Spec{
		Path: cat,
		Args: []string{"cat", "/proc/self/status", "/proc/self/limits", "/proc/self/cgroup", "/proc/self/stat"},
		Attr: list,
	}
}

// seen is what a process looked like from inside.
type seen struct {
	status map[string]string    // /proc/self/status
	limits map[string][2]string // /proc/self/limits: soft, hard
	cgroup string               // of the v2 hierarchy
	stat   []string             // /proc/self/stat from the state on
}

func parseSeen(out string) seen {
	s := seen{status: map[string]string{}, limits: map[string][2]string{}}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		_, stat, isStat := strings.Cut(line, " (cat) ")
		switch {
		case isStat:
			s.stat = strings.Fields(stat)
		case strings.HasPrefix(line, "Max "):
			f := strings.Fields(line[26:])
			s.limits[strings.TrimSpace(line[:26])] = [2]string{f[0], f[1]}
		case strings.HasPrefix(line, "0::"):
			s.cgroup = line[3:]
		default:
			if key, value, ok := strings.Cut(line, ":\t"); ok {
				s.status[key] = strings.TrimSpace(value)
			}
		}
	}
	return s
}

// Fields of /proc/pid/stat, counted from the state.
const (
	statPgrp    = 2
	statSession = 3
	statTTY     = 4
	statFg      = 5
	statNice    = 16
)

func (s seen) number(t testing.TB, field int) int {
	t.Helper()
	if field >= len(s.stat) {
		t.Fatalf("no field %d in %q", field, s.stat)
	}
	n, err := strconv.Atoi(s.stat[field])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (s seen) pid() string { return s.status["Pid"] }

func (s seen) signals(t testing.TB, key string) uint64 {
	t.Helper()
	set, err := strconv.ParseUint(s.status[key], 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func sigset(sigs ...syscall.Signal) (set uint64) {
	for _, sig := range sigs {
		set |= 1 << (sig - 1)
	}
	return set
}

// seenWith runs cat with attributes.
func seenWith(t testing.TB, list ...attr.Attr) seen {
	t.Helper()
	return parseSeen(output(t, catSpec(t, list...)))
}

func limitText(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func getLimit(t testing.TB, resource int) unix.Rlimit {
	t.Helper()
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		t.Fatal(err)
	}
	return l
}

// myNice is the nice value of the calling thread.
func myNice(t testing.TB) int {
	t.Helper()
	n, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - n // the system call returns it so
}

// onThread runs f on a thread of its own that ends with it, so that f may change
// what belongs to a thread. It is not the first thread, which /proc/self is about.
func onThread(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked
		if unix.Gettid() == os.Getpid() {
			defer runtime.UnlockOSThread()
			onThread(f)
			return
		}
		f()
	}()
	<-done
}

func TestSignalMask(t *testing.T) {
	blocked := sigset(syscall.SIGUSR2, syscall.SIGTERM)
	tests := []struct {
		name string
		list attr.List
		want uint64
	}{
		{"absent", nil, blocked},
		{"empty", attr.List{attr.SigMask{}}, 0},
		{"some", attr.List{attr.SigMask{syscall.SIGUSR1, syscall.SIGHUP, 64}}, sigset(syscall.SIGUSR1, syscall.SIGHUP, 64)},
	}
	eachEngine(t, func(t *testing.T) {
		onThread(func() {
			set := unix.Sigset_t{Val: [16]uint64{blocked}}
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
				t.Error(err)
				return
			}
			for _, test := range tests {
				out, _, err := tryOutput(catSpec(t, test.list...))
				if err != nil {
					t.Error(err)
					return
				}
				if got := parseSeen(out).signals(t, "SigBlk"); got != test.want {
					t.Errorf("%s: blocked %#x, want %#x", test.name, got, test.want)
				}
			}
			var now unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, nil, &now); err != nil || now.Val[0] != blocked {
				t.Errorf("the thread's mask became %#x, %v", now.Val[0], err)
			}
		})
	})
}

// TestIgnoredFromOutside has a parent that was itself started with a signal
// ignored, as by nohup.
func TestIgnoredFromOutside(t *testing.T) {
	s := helper(t, "look at ignored", catSpec(t).Path)
	s.Attr = attr.List{attr.SigIgnore{syscall.SIGHUP}}
	got := strings.Fields(output(t, s))
	if len(got) != 2*len(spawn.Without) {
		t.Fatalf("got %q", got)
	}
	for i, set := range got {
		if want := []string{"0", "1"}[i%2]; set != want {
			t.Errorf("%d: ignored %s, want %s", i, set, want)
		}
	}
}

// It says what children ignore that start clean, and that inherit.
var _ = registerHelper("look at ignored", func(args []string) int {
	for _, change := range spawn.Without {
		restore := spawn.Force(change)
		for _, list := range []attr.List{nil, {attr.InheritIgnored{}}} {
			out, _, err := tryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/status"}, Attr: list})
			if err != nil {
				fmt.Println(err)
				return 1
			}
			set, _ := strconv.ParseUint(parseSeen(out).status["SigIgn"], 16, 64)
			fmt.Println(set)
		}
		restore()
	}
	return 0
})

func TestSessionAndGroup(t *testing.T) {
	const itself = -1 // 0 is a session or group outside the pid namespace
	me, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	eachEngine(t, func(t *testing.T) {
		leader, end := liveChild(t, attr.Setpgid{})
		defer end()
		tests := []struct {
			name          string
			list          attr.List
			session, pgrp int
		}{
			{"nothing", nil, me, unix.Getpgrp()},
			{"setsid", attr.List{attr.Setsid{}}, itself, itself},
			{"new group", attr.List{attr.Setpgid{}}, me, itself},
			{"existing group", attr.List{attr.Setpgid{Pgid: leader.Pid()}}, me, leader.Pid()},
		}
		for _, test := range tests {
			s := seenWith(t, test.list...)
			pid, _ := strconv.Atoi(s.pid())
			orSelf := func(n int) int {
				if n == itself {
					return pid
				}
				return n
			}
			if got := s.number(t, statSession); got != orSelf(test.session) {
				t.Errorf("%s: session %d, want %d", test.name, got, orSelf(test.session))
			}
			if got := s.number(t, statPgrp); got != orSelf(test.pgrp) {
				t.Errorf("%s: group %d, want %d", test.name, got, orSelf(test.pgrp))
			}
		}
	})
}

// liveChild starts a cat that lives until end is called.
func liveChild(t testing.TB, list ...attr.Attr) (p *spawn.Process, end func()) {
	t.Helper()
	return liveChildIn(t, "/", list...)
}

func liveChildIn(t testing.TB, dir string, list ...attr.Attr) (p *spawn.Process, end func()) {
	t.Helper()
	s := catSpec(t, list...)
	s.Actions.Chdir(dir)
	s.Args = s.Args[:1]
	// Not os.Pipe: its ends don't block, and cat gives up at once.
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	r, w := os.NewFile(uintptr(fds[0]), "r"), os.NewFile(uintptr(fds[1]), "w")
	s.Actions.File(r, 0)
	p, err := spawn.Start(context.Background(), s)
	r.Close()
	if err != nil {
		w.Close()
		t.Fatal(err)
	}
	return p, func() {
		w.Close()
		if _, err := p.Wait(context.Background()); err != nil && !errors.Is(err, spawn.ErrStatusTaken) {
			t.Error(err)
		}
	}
}

func TestUmask(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		made := filepath.Join(t.TempDir(), "made")
		s := catSpec(t, attr.Umask(0o027))
		s.Actions.Open(5, made, os.O_CREATE|os.O_WRONLY, 0o666)
		if got := parseSeen(output(t, s)).status["Umask"]; got != "0027" {
			t.Errorf("umask %s", got)
		}
		st, err := os.Stat(made)
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o640 {
			t.Errorf("a file action made %v", st.Mode())
		}
		for _, u := range []int{0, 0o777} {
			if got := seenWith(t, attr.Umask(u)).status["Umask"]; got != fmt.Sprintf("%04o", u) {
				t.Errorf("umask %s, want %04o", got, u)
			}
		}
	})
}

func TestNice(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		if got := seenWith(t, attr.Nice(min(myNice(t)+3, 19))).number(t, statNice); got != min(myNice(t)+3, 19) {
			t.Errorf("nice %d", got)
		}
	})
	t.Run("below", func(t *testing.T) {
		needRoot(t)
		if got := seenWith(t, attr.Nice(-7)).number(t, statNice); got != -7 {
			t.Errorf("nice %d", got)
		}
	})
}

func TestNoNewPrivs(t *testing.T) {
	eachEngine(t, func(t *testing.T) {
		if got := seenWith(t, attr.NoNewPrivs{}).status["NoNewPrivs"]; got != "1" {
			t.Errorf("no_new_privs is %s", got)
		}
	})
}

func TestRlimit(t *testing.T) {
	was := getLimit(t, unix.RLIMIT_MEMLOCK)
	low := unix.Rlimit{Cur: min(was.Cur, 4096), Max: was.Max}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &low); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_MEMLOCK, &was) }()
	tests := []struct {
		name     string
		resource int
		row      string
		soft     uint64
		hard     uint64
	}{
		{"both lower", unix.RLIMIT_CPU, "Max cpu time", 100, 200},
		{"both the same", unix.RLIMIT_FSIZE, "Max file size", 1 << 20, 1 << 20},
		{"soft up to hard", unix.RLIMIT_MEMLOCK, "Max locked memory", was.Max, was.Max},
		{"soft up, hard down", unix.RLIMIT_MEMLOCK, "Max locked memory", 5000, 6000},
		{"zero", unix.RLIMIT_CORE, "Max core file size", 0, 0},
		{"processes", unix.RLIMIT_NPROC, "Max processes", 0, 0},
	}
	eachEngine(t, func(t *testing.T) {
		for _, test := range tests {
			s := seenWith(t, attr.Rlimit{Resource: test.resource, Soft: test.soft, Hard: test.hard})
			if got, want := s.limits[test.row], [2]string{limitText(test.soft), limitText(test.hard)}; got != want {
				t.Errorf("%s: %q, want %q", test.name, got, want)
			}
		}
	})
}

const openFilesRow = "Max open files"

// TestNoFileBelowActions has a limit that no file action would survive.
func TestNoFileBelowActions(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	eachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.NoFile{Soft: 16, Hard: 16},
			attr.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: 16, Hard: 16},
		} {
			s := catSpec(t, a)
			s.Args = append(s.Args, "/proc/self/fd/100")
			s.Actions.File(null, 100)
			if got := parseSeen(output(t, s)).limits[openFilesRow]; got != [2]string{"16", "16"} {
				t.Errorf("%T: %q", a, got)
			}
		}
	})
}

var _ = registerHelper("look at limits", func(args []string) int {
	if args[1] != "" {
		n, _ := strconv.ParseUint(args[1], 10, 64)
		var l syscall.Rlimit
		if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 1
		}
		l.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 1
		}
	}
	for _, change := range spawn.Without {
		restore := spawn.Force(change)
		out, _, err := tryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/limits"}})
		restore()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(parseSeen(out).limits[openFilesRow][0])
	}
	return 0
})

// TestOriginalNoFile wants children to have the soft limit that the program was
// started with, unless it has chosen another one.
func TestOriginalNoFile(t *testing.T) {
	hard := getLimit(t, unix.RLIMIT_NOFILE).Max
	tests := []struct {
		name, set, want string
		soft            uint64
	}{
		{"raised by Go", "", "64", 64},
		{"chosen by the program", "200", "200", 64},
		{"nothing to raise", "", limitText(hard), hard},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := helper(t, "look at limits", catSpec(t).Path, test.set)
			s.Attr = attr.List{attr.NoFile{Soft: test.soft, Hard: hard}}
			got := strings.Fields(output(t, s))
			if len(got) != len(spawn.Without) {
				t.Fatalf("got %q", got)
			}
			for _, g := range got {
				if g != test.want {
					t.Errorf("children get %s, want %s", g, test.want)
				}
			}
		})
	}
}

// TestContradictionFromCompile is about how Compile reports what package attr
// finds; its own tests have all cases.
func TestContradictionFromCompile(t *testing.T) {
	for i, list := range []attr.List{
		{attr.Setsid{}, attr.Setpgid{}},
		{attr.Nice(3), attr.Umask(-1)},
		{attr.Nice(3), attr.ControllingTTY{File: os.Stdin}},
		{attr.Nice(3), nil},
	} {
		_, err := spawn.Compile(catSpec(t, list...))
		var e *spawn.Error
		if !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if e.Index != 1 || e.Step == "" || e.Path != catSpec(t).Path {
			t.Errorf("%d: %#v", i, e)
		}
	}
}
