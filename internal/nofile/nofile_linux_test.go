//go:build 386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x

// The tests are outside of the package: in it they would make it import, and so
// be initialised after, package syscall.
package nofile_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/internal/nofile"
	"github.com/safespawn/spawn/internal/testenv"
)

// report is what the helper saw of its limit.
type report struct {
	Original, Now nofile.Limit
	Raised        bool
}

func TestMain(m *testing.M) { testenv.Main(m, testenv.Leftovers) }

var helper = testenv.RegisterHelper("nofile", func(args []string) int {
	if len(args) > 0 {
		return limitThenExec(args[0])
	}
	_ = json.NewEncoder(os.Stdout).Encode(report{nofile.Original, now(), nofile.Raised(now())})
	return 0
})

func now() nofile.Limit {
	var l unix.Rlimit
	if err := unix.Prlimit(0, unix.RLIMIT_NOFILE, nil, &l); err != nil {
		return nofile.Limit{}
	}
	return nofile.Limit{Soft: l.Cur, Hard: l.Max}
}

// limitThenExec sets this process's limit and becomes the helper again. unix.Prlimit
// and unix.Exec let syscall think that the limit is nobody's choice; syscall's own
// would give back the original one.
func limitThenExec(limit string) int {
	var l unix.Rlimit
	if json.Unmarshal([]byte(limit), &l) != nil || unix.Prlimit(0, unix.RLIMIT_NOFILE, &l, nil) != nil {
		return 2
	}
	_ = unix.Exec("/proc/self/exe", testenv.HelperArgs("nofile"), os.Environ())
	return 3
}

// startedWith runs the helper with a limit.
func startedWith(t *testing.T, soft, hard uint64) (r report) {
	t.Helper()
	limit, err := json.Marshal(unix.Rlimit{Cur: soft, Max: hard})
	if err != nil {
		t.Fatal(err)
	}
	cmd := &exec.Cmd{Path: testenv.Self(t), Args: testenv.HelperArgs(helper, string(limit)), Stderr: os.Stderr}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&r); err != nil {
		t.Fatalf("%v: %q", err, out)
	}
	return r
}

func TestOriginalIsTheLimitAtStart(t *testing.T) {
	hard := min(now().Hard, 4096)
	for _, soft := range []uint64{100, 256, hard - 2} {
		r := startedWith(t, soft, hard)
		if want := (nofile.Limit{Soft: soft, Hard: hard}); r.Original != want {
			t.Errorf("original is %+v, want %+v", r.Original, want)
		}
		if r.Now.Soft != hard-1 || !r.Raised {
			t.Errorf("syscall has made it %+v, raised: %v", r.Now, r.Raised)
		}
	}
	for _, soft := range []uint64{hard - 1, hard} {
		r := startedWith(t, soft, hard)
		if want := (nofile.Limit{Soft: soft, Hard: hard}); r.Original != want || r.Now != want || r.Raised {
			t.Errorf("nothing to raise: %+v", r)
		}
	}
}

func TestRaised(t *testing.T) {
	was := nofile.Original
	defer func() { nofile.Original = was }()
	nofile.Original = nofile.Limit{Soft: 1024, Hard: 4096}
	for _, row := range []struct {
		now  nofile.Limit
		want bool
	}{
		{nofile.Limit{Soft: 4095, Hard: 4096}, true},
		{nofile.Limit{Soft: 1024, Hard: 4096}, false},
		{nofile.Limit{Soft: 2048, Hard: 4096}, false},
		{nofile.Limit{Soft: 4096, Hard: 4096}, false},
		{nofile.Limit{Soft: 2047, Hard: 2048}, false},
		{nofile.Limit{}, false},
	} {
		if nofile.Raised(row.now) != row.want {
			t.Errorf("%+v: %v", row.now, !row.want)
		}
	}
}

func TestOriginalIsTheParentsView(t *testing.T) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		t.Fatal(err)
	}
	if nofile.Original.Hard != l.Max || nofile.Original.Soft > l.Cur {
		t.Errorf("original is %+v, now %+v", nofile.Original, l)
	}
}
