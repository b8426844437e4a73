package exec_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn/exec"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestSpoiledStreams has a child that makes its streams small and non-blocking, and opens their
// other ends. All that it reads and writes gets through, and its end is the end of them.
func TestSpoiledStreams(t *testing.T) {
	in := bytes.Repeat([]byte("0123456789abcdef"), 1<<13)
	spawntest.EachEngine(t, func(t *testing.T) {
		c := exec.Command(testenv.Self(t))
		c.Args = testenv.HelperArgs(spoils, strconv.Itoa(len(in)))
		c.Stdin = bytes.NewReader(in)
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil || !bytes.Equal(out, in) || errs.String() != "done" {
			t.Errorf("%d bytes of %d, %q, %v", len(out), len(in), errs.String(), err)
		}
	})
}

var spoils = testenv.RegisterHelper("spoils its streams", func(args []string) int {
	for fd, flag := range []int{unix.O_WRONLY, unix.O_RDONLY, unix.O_RDONLY} {
		_, _ = unix.FcntlInt(uintptr(fd), unix.F_SETPIPE_SZ, os.Getpagesize()) // it may be no pipe
		if err := unix.SetNonblock(fd, true); err != nil {
			return status(err)
		}
		if _, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), flag|unix.O_NONBLOCK, 0); err != nil {
			return status(err)
		}
	}
	text := make([]byte, number(args[0])) // there is no end, as this process could write, too
	for _, err := range []error{
		whole(text, func(b []byte) (int, error) { return unix.Read(0, b) }),
		whole(text, func(b []byte) (int, error) { return unix.Write(1, b) }),
		whole([]byte("done"), func(b []byte) (int, error) { return unix.Write(2, b) }),
	} {
		if err != nil {
			return status(err)
		}
	}
	return 0
})

// whole reads or writes all, and doesn't sleep.
func whole(b []byte, some func(b []byte) (int, error)) error {
	for len(b) > 0 {
		n, err := some(b)
		switch {
		case err == unix.EAGAIN || err == unix.EINTR:
			runtime.Gosched()
		case err != nil || n == 0:
			return fmt.Errorf("%d bytes are left: %w", len(b), err)
		default:
			b = b[n:]
		}
	}
	return nil
}
