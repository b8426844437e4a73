//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// Of linux/prctl.h.
const (
	prGetTHPDisable  = 42
	prGetMDWE        = 66
	prGetMemoryMerge = 68
)

// memoryState is what belongs to the memory of this process.
func memoryState() string {
	filter, err := os.ReadFile("/proc/self/coredump_filter")
	s := fmt.Sprintf("filter %s", strings.TrimSpace(string(filter)))
	if err != nil {
		s = err.Error()
	}
	for _, o := range []int{prGetMDWE, prGetTHPDisable, prGetMemoryMerge, unix.PR_GET_DUMPABLE} {
		v, err := unix.PrctlRetInt(o, 0, 0, 0, 0)
		if err != nil {
			v = 0 // the kernel doesn't know it
		}
		s += fmt.Sprintf(" %d:%d", o, v)
	}
	return s
}

var _ = testenv.RegisterHelper("memory", func([]string) int {
	fmt.Print(memoryState())
	return 0
})

// memoryAttrs are attributes, and what the child sees of them.
var memoryAttrs = []struct {
	attr attr.Attr
	want string
}{
	{attr.CoredumpFilter(attr.DumpAnonPrivate | attr.DumpDAXShared), "filter 00000101"},
	{attr.CoredumpFilter(0), "filter 00000000"},
	{attr.MemoryDenyWriteExec{}, " 66:1"},
	{attr.NoHugePages{}, " 42:1"},
	{attr.MergePages{}, " 68:1"},
}

// TestMemoryAttributes wants the program to have them, also with others that need
// something of the engine, and this process to be as before.
func TestMemoryAttributes(t *testing.T) {
	before := memoryState()
	public := spawntest.PublicHelper(t, "memory")
	namespaces := os.Geteuid() == 0 && spawntest.CanMake(unix.CLONE_NEWPID)
	spawntest.EachEngine(t, func(t *testing.T) {
		var all attr.List
		var wants []string
		for i, m := range memoryAttrs {
			got, state, err := spawntest.TryOutput(memorySpec(t, m.attr))
			if errors.Is(err, unix.EINVAL) {
				t.Logf("%T: %v", m.attr, err)
				continue
			}
			if err != nil || !state.Success() || !strings.Contains(got, m.want) {
				t.Errorf("%#v: %q, %v, %v", m.attr, got, state, err)
			}
			if i > 0 { // the first two are one attribute
				all, wants = append(all, m.attr), append(wants, m.want)
			}
		}
		all = append(all, attr.ParentDeathSignal(unix.SIGKILL), attr.NoNewPrivs{}, attr.Nice(19))
		if os.Geteuid() == 0 {
			all = append(all, attr.Credential{UID: testenv.Nobody, GID: testenv.Nobody})
		}
		if namespaces {
			all = append(all, attr.Namespaces{Flags: unix.CLONE_NEWPID})
		}
		s := *public
		s.Attr = all
		got := spawntest.Output(t, &s)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("with others: %q, want %q", got, want)
			}
		}
	})
	if after := memoryState(); after != before {
		t.Errorf("this process: %s, before: %s", after, before)
	}
}

func memorySpec(t *testing.T, list ...attr.Attr) *spawn.Spec {
	t.Helper()
	s := spawntest.Helper(t, "memory")
	s.Attr = list
	return s
}

// TestMemoryFaults wants errors of a child without shared memory to be the same.
func TestMemoryFaults(t *testing.T) {
	file := testenv.Write(t, t.TempDir()+"/file", "", 0o600)
	spawntest.EachEngine(t, func(t *testing.T) {
		s := memorySpec(t, attr.Nice(19), attr.NoHugePages{}, attr.Chroot(file))
		_, _, err := spawntest.TryOutput(s)
		var e *spawn.Error
		if !errors.As(err, &e) || e.Step != "chroot" || e.Index != 2 {
			t.Errorf("%+v", err)
		}
		s.Attr[2], s.Path = attr.Umask(0), "/missing"
		if _, _, err := spawntest.TryOutput(s); !errors.Is(err, unix.ENOENT) {
			t.Error(err)
		}
	})
}

// TestMemoryHighFiles passes files with high numbers, which slots are for where
// memory is shared.
func TestMemoryHighFiles(t *testing.T) {
	f, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 100)
	if err != nil {
		t.Fatal(err)
	}
	high := os.NewFile(uintptr(n), "high")
	defer high.Close()
	s := spawntest.Shell("readlink /proc/self/fd/7", attr.NoHugePages{})
	s.Actions.File(high, 7)
	if got := spawntest.Output(t, s); got != "/dev/null\n" {
		t.Errorf("%q", got)
	}
}
