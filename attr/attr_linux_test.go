//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/kernel"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

func limitText(n uint64) string {
	if n == unix.RLIM_INFINITY {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
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

func TestSignalMask(t *testing.T) {
	blocked := testenv.Sigset(syscall.SIGUSR2, syscall.SIGTERM)
	tests := []struct {
		name string
		list attr.List
		want uint64
	}{
		{"absent", nil, blocked},
		{"empty", attr.List{attr.SigMask{}}, 0},
		{"some", attr.List{attr.SigMask{syscall.SIGUSR1, syscall.SIGHUP, 64}}, testenv.Sigset(syscall.SIGUSR1, syscall.SIGHUP, 64)},
	}
	spawntest.EachEngine(t, func(t *testing.T) {
		testenv.OnThread(func() {
			set := raw.Sigset(blocked)
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil); err != nil {
				t.Error(err)
				return
			}
			for _, test := range tests {
				out, _, err := spawntest.TryOutput(spawntest.Cat(t, test.list...))
				if err != nil {
					t.Error(err)
					return
				}
				if got := testenv.ParseSeen(out).Signals(t, "SigBlk"); got != test.want {
					t.Errorf("%s: blocked %#x, want %#x", test.name, got, test.want)
				}
			}
			var now unix.Sigset_t
			if err := unix.PthreadSigmask(unix.SIG_SETMASK, nil, &now); err != nil || raw.Mask(&now) != blocked {
				t.Errorf("the thread's mask became %#x, %v", raw.Mask(&now), err)
			}
		})
	})
}

// TestIgnoredFromOutside has a parent that was itself started with a signal
// ignored, as by nohup.
func TestIgnoredFromOutside(t *testing.T) {
	s := spawntest.Helper(t, "look at ignored", spawntest.Cat(t).Path)
	s.Attr = attr.List{attr.SigIgnore{syscall.SIGHUP}}
	got := strings.Fields(spawntest.Output(t, s))
	if len(got) != 2*len(spawntest.Without) {
		t.Fatalf("got %q", got)
	}
	for i, set := range got {
		if want := []string{"0", "1"}[i%2]; set != want {
			t.Errorf("%d: ignored %s, want %s", i, set, want)
		}
	}
}

// It says what children ignore that start clean, and that inherit.
var _ = testenv.RegisterHelper("look at ignored", func(args []string) int {
	for _, change := range spawntest.Without {
		restore := kernel.ForTest(change)
		for _, list := range []attr.List{nil, {attr.InheritIgnored{}}} {
			out, _, err := spawntest.TryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/status"}, Attr: list})
			if err != nil {
				fmt.Println(err)
				return 1
			}
			set, _ := strconv.ParseUint(testenv.ParseSeen(out).Status["SigIgn"], 16, 64)
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
	spawntest.EachEngine(t, func(t *testing.T) {
		leader, end := spawntest.LiveChild(t, attr.Setpgid{})
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
			s := spawntest.SeenWith(t, test.list...)
			pid, _ := strconv.Atoi(s.PID())
			orSelf := func(n int) int {
				if n == itself {
					return pid
				}
				return n
			}
			if got := s.Number(t, testenv.StatSession); got != orSelf(test.session) {
				t.Errorf("%s: session %d, want %d", test.name, got, orSelf(test.session))
			}
			if got := s.Number(t, testenv.StatPgrp); got != orSelf(test.pgrp) {
				t.Errorf("%s: group %d, want %d", test.name, got, orSelf(test.pgrp))
			}
		}
	})
}

func TestUmask(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		made := filepath.Join(t.TempDir(), "made")
		s := spawntest.Cat(t, attr.Umask(0o027))
		s.Actions.Open(5, made, os.O_CREATE|os.O_WRONLY, 0o666)
		if got := testenv.ParseSeen(spawntest.Output(t, s)).Status["Umask"]; got != "0027" {
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
			if got := spawntest.SeenWith(t, attr.Umask(u)).Status["Umask"]; got != fmt.Sprintf("%04o", u) {
				t.Errorf("umask %s, want %04o", got, u)
			}
		}
	})
}

func TestNice(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		if got := spawntest.SeenWith(t, attr.Nice(min(myNice(t)+3, 19))).Number(t, testenv.StatNice); got != min(myNice(t)+3, 19) {
			t.Errorf("nice %d", got)
		}
	})
	t.Run("below", func(t *testing.T) {
		testenv.NeedRoot(t)
		if got := spawntest.SeenWith(t, attr.Nice(-7)).Number(t, testenv.StatNice); got != -7 {
			t.Errorf("nice %d", got)
		}
	})
}

func TestNoNewPrivs(t *testing.T) {
	spawntest.EachEngine(t, func(t *testing.T) {
		if got := spawntest.SeenWith(t, attr.NoNewPrivs{}).Status["NoNewPrivs"]; got != "1" {
			t.Errorf("no_new_privs is %s", got)
		}
	})
}

func TestRlimit(t *testing.T) {
	was := testenv.GetLimit(t, unix.RLIMIT_MEMLOCK)
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
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, test := range tests {
			s := spawntest.SeenWith(t, attr.Rlimit{Resource: attr.Resource(test.resource), Soft: test.soft, Hard: test.hard})
			if got, want := s.Limits[test.row], [2]string{limitText(test.soft), limitText(test.hard)}; got != want {
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
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, a := range []attr.Attr{
			attr.NoFile{Soft: 16, Hard: 16},
			attr.Rlimit{Resource: unix.RLIMIT_NOFILE, Soft: 16, Hard: 16},
		} {
			s := spawntest.Cat(t, a)
			s.Args = append(s.Args, "/proc/self/fd/100")
			s.Actions.File(null, 100)
			if got := testenv.ParseSeen(spawntest.Output(t, s)).Limits[openFilesRow]; got != [2]string{"16", "16"} {
				t.Errorf("%T: %q", a, got)
			}
		}
	})
}

var _ = testenv.RegisterHelper("look at limits", func(args []string) int {
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
	for _, change := range spawntest.Without {
		restore := kernel.ForTest(change)
		out, _, err := spawntest.TryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/limits"}})
		restore()
		if err != nil {
			fmt.Println(err)
			return 1
		}
		fmt.Println(testenv.ParseSeen(out).Limits[openFilesRow][0])
	}
	return 0
})

// TestOriginalNoFile wants children to have the soft limit that the program was
// started with, unless it has chosen another one.
func TestOriginalNoFile(t *testing.T) {
	hard := testenv.GetLimit(t, unix.RLIMIT_NOFILE).Max
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
			s := spawntest.Helper(t, "look at limits", spawntest.Cat(t).Path, test.set)
			s.Attr = attr.List{attr.NoFile{Soft: test.soft, Hard: hard}}
			got := strings.Fields(spawntest.Output(t, s))
			if len(got) != len(spawntest.Without) {
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
		_, err := spawn.Compile(spawntest.Cat(t, list...))
		var e *spawn.Error
		if !errors.As(err, &e) || !errors.Is(err, syscall.EINVAL) {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if e.Index != 1 || e.Step == "" || e.Path != spawntest.Cat(t).Path {
			t.Errorf("%d: %#v", i, e)
		}
	}
}
