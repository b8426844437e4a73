//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
)

// withSoft runs f while a soft limit of this process is another.
func withSoft(t testing.TB, resource int, soft uint64, f func(was unix.Rlimit)) {
	t.Helper()
	was := getLimit(t, resource)
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: soft, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(resource, &was)
	f(was)
}

func TestRlimitToHard(t *testing.T) {
	const row = "Max core file size"
	eachEngine(t, func(t *testing.T) {
		withSoft(t, unix.RLIMIT_CORE, 0, func(was unix.Rlimit) {
			if got, want := seenWith(t, attr.RlimitToHard(unix.RLIMIT_CORE)).limits[row], limitText(was.Max); got != [2]string{want, want} {
				t.Errorf("%q, want %q", got, want)
			}
			if now := getLimit(t, unix.RLIMIT_CORE); now.Cur != 0 || now.Max != was.Max {
				t.Errorf("this process has %+v", now)
			}
		})
	})
	s := helper(t, "lower hard limit", catSpec(t).Path)
	s.Attr = attr.List{attr.Rlimit{Resource: unix.RLIMIT_CORE, Soft: 0, Hard: 6000}}
	if got := output(t, s); got != "5000 5000" {
		t.Errorf("after the hard limit was lowered: %q", got)
	}
}

// It lowers the hard limit between Compile and Start.
var _ = registerHelper("lower hard limit", func(args []string) int {
	s := &spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/limits"}, Attr: attr.List{attr.RlimitToHard(unix.RLIMIT_CORE)}}
	r, w, err := os.Pipe()
	if err != nil {
		return 1
	}
	s.Actions.File(w, 1)
	p, err := spawn.Compile(s)
	if err == nil {
		err = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: 1, Max: 5000})
	}
	if err == nil {
		_, err = p.Run(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	out := make([]byte, 1<<16)
	n, _ := r.Read(out)
	l := parseSeen(string(out[:n])).limits["Max core file size"]
	fmt.Print(l[0], " ", l[1])
	return 0
})

// TestNoFilePolicy wants children to have what the policy says, in a process
// that was started with a soft limit of 64.
func TestNoFilePolicy(t *testing.T) {
	hard := getLimit(t, unix.RLIMIT_NOFILE).Max
	h := limitText(hard)
	for _, test := range []struct{ name, set, current string }{
		{"raised by Go", "", limitText(hard - 1)},
		{"chosen by the program", "200", "200"},
		{"lowered by the program", "32", "32"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := helper(t, "NOFILE policies", catSpec(t).Path, test.set)
			s.Attr = attr.List{attr.NoFile{Soft: 64, Hard: hard}}
			want := strings.Repeat(fmt.Sprintf("64 %s\n%s %s\n%s %s\n", h, test.current, h, h, h), len(spawn.Without))
			if got := output(t, s); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

var _ = registerHelper("NOFILE policies", func(args []string) int {
	if n, err := strconv.ParseUint(args[1], 10, 64); err == nil {
		var l syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
		l.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 1
		}
	}
	err := eachEngineError(func(string) error {
		for _, a := range []attr.Attr{attr.NoFileOriginal, attr.NoFileCurrent, attr.RlimitToHard(unix.RLIMIT_NOFILE)} {
			out, _, err := tryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/limits"}, Attr: attr.List{a}})
			if err != nil {
				return err
			}
			l := parseSeen(out).limits[openFilesRow]
			fmt.Println(l[0], l[1])
		}
		return nil
	})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
})

// TestProcessLimitOfOther changes to a user that has more processes than the new
// limit allows, and then with a limit here that would not do for that user.
func TestProcessLimitOfOther(t *testing.T) {
	needRoot(t)
	other := attr.Credential{UID: 54321, GID: 54321}
	for range 3 {
		_, end := liveChild(t, other)
		defer end()
	}
	const row = "Max processes"
	eachEngine(t, func(t *testing.T) {
		low := attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: 1, Hard: 1}
		if got := seenWith(t, low, other).limits[row]; got != [2]string{"1", "1"} {
			t.Errorf("lowered: %q", got)
		}
		withSoft(t, unix.RLIMIT_NPROC, 1, func(was unix.Rlimit) {
			_, err := spawn.Start(context.Background(), shell(":", other))
			checkFault(t, err, want{"execve", -1, "/bin/sh", []syscall.Errno{unix.EAGAIN}})
			max := limitText(was.Max)
			for _, a := range []attr.Attr{
				attr.RlimitToHard(unix.RLIMIT_NPROC), attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: was.Max, Hard: was.Max},
			} {
				if got := seenWith(t, other, a).limits[row]; got != [2]string{max, max} {
					t.Errorf("%+v: %q", a, got)
				}
			}
		})
	})
}

// TestEachItsOwn has goroutines spawn at once, each with other attributes.
func TestEachItsOwn(t *testing.T) {
	const goroutines = 16
	rounds := 100 * time.Millisecond
	if *long {
		rounds = 10 * time.Second
	}
	base := myNice(t)
	eachEngine(t, func(t *testing.T) {
		var wg sync.WaitGroup
		var children atomic.Int64
		for i := range goroutines {
			wg.Go(func() {
				nice := min(base+i, 19)
				s := catSpec(t, attr.Umask(i*0o21), attr.Nice(nice), attr.NoFile{Soft: uint64(40 + i), Hard: uint64(60 + i)})
				for start := time.Now(); ; {
					out, _, err := tryOutput(s)
					if err != nil {
						t.Error(err)
						return
					}
					children.Add(1)
					got := parseSeen(out)
					if u := got.status["Umask"]; u != fmt.Sprintf("%04o", i*0o21) {
						t.Errorf("%d: umask %s", i, u)
					}
					if n := got.stat[statNice]; n != itoa(nice) {
						t.Errorf("%d: nice %s", i, n)
					}
					if l := got.limits[openFilesRow]; l != [2]string{itoa(40 + i), itoa(60 + i)} {
						t.Errorf("%d: limit %q", i, l)
					}
					if time.Since(start) > rounds {
						return
					}
				}
			})
		}
		wg.Wait()
		t.Logf("%d children", children.Load())
	})
}
