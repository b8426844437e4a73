//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package spawntest

import (
	"os"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/testenv"
)

// BPF is an instruction of a filter.
func BPF(code uint16, jt, jf uint8, k uint32) attr.SockFilter {
	return attr.SockFilter{Code: code, Jt: jt, Jf: jf, K: k}
}

// Filter does one thing for some system calls and another for all others. Programs
// here are of one architecture.
func Filter(these, others uint32, calls ...int) attr.Seccomp {
	f := []attr.SockFilter{BPF(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0, 0, 0)}
	for i, nr := range calls {
		f = append(f, BPF(unix.BPF_JMP|unix.BPF_JEQ|unix.BPF_K, uint8(len(calls)-i), 0, uint32(nr)))
	}
	f = append(f, BPF(unix.BPF_RET|unix.BPF_K, 0, 0, others), BPF(unix.BPF_RET|unix.BPF_K, 0, 0, these))
	return attr.Seccomp{Filter: f}
}

// Refuse makes system calls fail.
func Refuse(errno syscall.Errno, calls ...int) attr.Seccomp {
	return Filter(unix.SECCOMP_RET_ERRNO|uint32(errno), unix.SECCOMP_RET_ALLOW, calls...)
}

// Notify is a filter that notifies a listener of some system calls, and allows all others.
func Notify(l *attr.SeccompListener, calls ...int) attr.List {
	f := Filter(unix.SECCOMP_RET_USER_NOTIF, unix.SECCOMP_RET_ALLOW, calls...)
	f.Listener = l
	return attr.List{attr.NoNewPrivs{}, f}
}

// HasLandlock reports whether the kernel has it.
func HasLandlock() bool {
	_, errno := raw.LandlockABI()
	return errno == 0
}

// NewRuleset makes a ruleset that the test closes, of what the kernel has.
func NewRuleset(t testing.TB, rules attr.LandlockRules) *attr.LandlockRuleset {
	t.Helper()
	if !HasLandlock() {
		testenv.Skip(t, "no Landlock")
	}
	rules.BestEffort = true
	r, err := attr.NewLandlock(rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// System is where programs and their libraries are.
func System(more ...string) []string {
	return slices.DeleteFunc(append(more, "/bin", "/lib", "/lib64", "/usr", "/etc/ld.so.cache"), func(path string) bool {
		_, err := os.Stat(path)
		return err != nil
	})
}
