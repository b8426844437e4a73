//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

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
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// withSoft runs f while a soft limit of this process is another.
func withSoft(t testing.TB, resource int, soft uint64, f func(was unix.Rlimit)) {
	t.Helper()
	was := testenv.GetLimit(t, resource)
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: soft, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	defer unix.Setrlimit(resource, &was)
	f(was)
}

func TestRlimitToHard(t *testing.T) {
	const row = "Max core file size"
	spawntest.EachEngine(t, func(t *testing.T) {
		withSoft(t, unix.RLIMIT_CORE, 0, func(was unix.Rlimit) {
			if got, want := spawntest.SeenWith(t, attr.RlimitToHard(unix.RLIMIT_CORE)).Limits[row], limitText(was.Max); got != [2]string{want, want} {
				t.Errorf("%q, want %q", got, want)
			}
			if now := testenv.GetLimit(t, unix.RLIMIT_CORE); now.Cur != 0 || now.Max != was.Max {
				t.Errorf("this process has %+v", now)
			}
		})
	})
	s := spawntest.Helper(t, "lower hard limit", spawntest.Cat(t).Path)
	s.Attr = attr.List{attr.Rlimit{Resource: unix.RLIMIT_CORE, Soft: 0, Hard: 6000}}
	if got := spawntest.Output(t, s); got != "5000 5000" {
		t.Errorf("after the hard limit was lowered: %q", got)
	}
}

// It lowers the hard limit between Compile and Start.
var _ = testenv.RegisterHelper("lower hard limit", func(args []string) int {
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
	l := testenv.ParseSeen(string(out[:n])).Limits["Max core file size"]
	fmt.Print(l[0], " ", l[1])
	return 0
})

// TestNoFilePolicy wants children to have what the policy says, in a process
// that was started with a soft limit of 64.
func TestNoFilePolicy(t *testing.T) {
	hard := testenv.GetLimit(t, unix.RLIMIT_NOFILE).Max
	h := limitText(hard)
	for _, test := range []struct{ name, set, current string }{
		{"raised by Go", "", limitText(hard - 1)},
		{"chosen by the program", "200", "200"},
		{"lowered by the program", "32", "32"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := spawntest.Helper(t, "NOFILE policies", spawntest.Cat(t).Path, test.set)
			s.Attr = attr.List{attr.NoFile{Soft: 64, Hard: hard}}
			want := strings.Repeat(fmt.Sprintf("64 %s\n%s %s\n%s %s\n", h, test.current, h, h, h), len(spawntest.Chosen(s.Args[0])))
			if got := spawntest.Output(t, s); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

var _ = testenv.RegisterHelper("NOFILE policies", func(args []string) int {
	if n, err := strconv.ParseUint(args[1], 10, 64); err == nil {
		var l syscall.Rlimit
		_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l)
		l.Cur = n
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
			return 1
		}
	}
	err := spawntest.EachEngineError(func(string) error {
		for _, a := range []attr.Attr{attr.NoFileOriginal, attr.NoFileCurrent, attr.RlimitToHard(unix.RLIMIT_NOFILE)} {
			out, _, err := spawntest.TryOutput(&spawn.Spec{Path: args[0], Args: []string{"cat", "/proc/self/limits"}, Attr: attr.List{a}})
			if err != nil {
				return err
			}
			l := testenv.ParseSeen(out).Limits[openFilesRow]
			fmt.Println(l[0], l[1])
		}
		return nil
	})
	return testenv.Status(err)
})

// TestProcessLimitOfOther changes to a user that has more processes than the new
// limit allows, and then with a limit here that would not do for that user.
func TestProcessLimitOfOther(t *testing.T) {
	testenv.NeedRoot(t)
	other := attr.Credential{UID: 54321, GID: 54321}
	for range 3 {
		_, end := spawntest.LiveChild(t, other)
		defer end()
	}
	const row = "Max processes"
	spawntest.EachEngine(t, func(t *testing.T) {
		low := attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: 1, Hard: 1}
		if got := spawntest.SeenWith(t, low, other).Limits[row]; got != [2]string{"1", "1"} {
			t.Errorf("lowered: %q", got)
		}
		withSoft(t, unix.RLIMIT_NPROC, 1, func(was unix.Rlimit) {
			_, err := spawn.Start(context.Background(), spawntest.Shell(":", other))
			spawntest.CheckFault(t, err, spawntest.Fails("execve", -1, "/bin/sh", unix.EAGAIN))
			max := limitText(was.Max)
			for _, a := range []attr.Attr{
				attr.RlimitToHard(unix.RLIMIT_NPROC), attr.Rlimit{Resource: unix.RLIMIT_NPROC, Soft: was.Max, Hard: was.Max},
			} {
				if got := spawntest.SeenWith(t, other, a).Limits[row]; got != [2]string{max, max} {
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
	if testenv.Long() {
		rounds = 10 * time.Second
	}
	base := myNice(t)
	spawntest.EachEngine(t, func(t *testing.T) {
		var wg sync.WaitGroup
		var children atomic.Int64
		for i := range goroutines {
			wg.Go(func() {
				nice := min(base+i, 19)
				s := spawntest.Cat(t, attr.Umask(i*0o21), attr.Nice(nice), attr.NoFile{Soft: uint64(40 + i), Hard: uint64(60 + i)})
				for start := time.Now(); ; {
					out, _, err := spawntest.TryOutput(s)
					if err != nil {
						t.Error(err)
						return
					}
					children.Add(1)
					got := testenv.ParseSeen(out)
					if u := got.Status["Umask"]; u != fmt.Sprintf("%04o", i*0o21) {
						t.Errorf("%d: umask %s", i, u)
					}
					if n := got.Stat[testenv.StatNice]; n != strconv.Itoa(nice) {
						t.Errorf("%d: nice %s", i, n)
					}
					if l := got.Limits[openFilesRow]; l != [2]string{strconv.Itoa(40 + i), strconv.Itoa(60 + i)} {
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
