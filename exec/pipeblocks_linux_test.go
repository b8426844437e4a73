//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec_test

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/raw"
	"github.com/safespawn/spawn/internal/raw/rawtest"
	"github.com/safespawn/spawn/internal/testenv"
)

// The helper has all that does not block stay so, by a filter, and makes the pipes of a
// Cmd.
var _ = testenv.RegisterHelper("nonblocking for good", func([]string) int {
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return testenv.Status(err)
	}
	if err := rawtest.AddFilterToAll(keepsNonblocking()); err != nil {
		return testenv.Status(err)
	}
	c := exec.Command("/bin/true")
	_, inErr := c.StdinPipe()
	_, outErr := c.StdoutPipe()
	_, errErr := c.StderrPipe()
	for _, err := range []error{inErr, outErr, errErr} {
		if !errors.Is(err, unix.EXDEV) {
			return testenv.Status(fmt.Errorf("the error is %v", err))
		}
	}
	return 0
})

// keepsNonblocking refuses fcntl(F_SETFL) without O_NONBLOCK.
func keepsNonblocking() []unix.SockFilter {
	number, command, flags := uint32(0), raw.LowOfArg(1), raw.LowOfArg(2)
	load := func(offset uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, K: offset}
	}
	skip := func(test uint16, yes, no uint8, k uint32) unix.SockFilter {
		return unix.SockFilter{Code: unix.BPF_JMP | test | unix.BPF_K, Jt: yes, Jf: no, K: k}
	}
	const fcntl64 = 221 // of 386; elsewhere a call that nobody makes here
	return []unix.SockFilter{
		load(number), skip(unix.BPF_JEQ, 1, 0, unix.SYS_FCNTL), skip(unix.BPF_JEQ, 0, 4, fcntl64),
		load(command), skip(unix.BPF_JEQ, 0, 2, unix.F_SETFL), load(flags), skip(unix.BPF_JSET, 0, 1, unix.O_NONBLOCK),
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EXDEV)},
	}
}

// TestPipesBlock wants a pipe whose end for the program can't be made blocking to be an error.
func TestPipesBlock(t *testing.T) {
	c := exec.Command(testenv.Self(t))
	c.Args = testenv.HelperArgs("nonblocking for good")
	c.Stderr = os.Stderr
	if out, err := c.Output(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}
