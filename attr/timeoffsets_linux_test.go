//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package attr_test

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/safespawn/spawn"
	"github.com/safespawn/spawn/attr"
	"github.com/safespawn/spawn/internal/testenv"
	"github.com/safespawn/spawn/internal/testenv/spawntest"
)

// TestTimeOffsets reads the clocks that the kernel has been told, and one of them.
func TestTimeOffsets(t *testing.T) {
	if _, err := os.Stat("/proc/self/timens_offsets"); err != nil {
		testenv.Skip(t, "no time namespaces")
	}
	flags := spawntest.WithUser(unix.CLONE_NEWTIME)
	spawntest.NeedNamespaces(t, flags)
	own := spawntest.NamespacesOf("self")["time"]
	const day = 86400
	offsets := attr.TimeOffsets{Monotonic: -1500 * time.Millisecond, Boottime: day * time.Second}
	spawntest.EachEngine(t, func(t *testing.T) {
		for _, list := range []attr.List{
			{attr.Unshare{Flags: flags}, attr.MapRoot(), offsets},
			{attr.Namespaces{Flags: flags}, attr.MapRoot(), offsets},
			{attr.Namespaces{Flags: flags}, offsets},
			{attr.Namespaces{Flags: flags}, attr.Unshare{Flags: unix.CLONE_NEWUTS}, offsets},
		} {
			if flags&unix.CLONE_NEWUSER == 0 {
				list = attr.List{list[0], list[len(list)-1]}
			}
			out, _, err := spawntest.TryOutput(spawntest.Shell("cat /proc/self/timens_offsets; readlink /proc/self/ns/time; cat /proc/uptime", list...))
			if errors.Is(err, errors.ErrUnsupported) { // without clone3
				t.Logf("%T: %v", list[0], err)
				continue
			}
			words := strings.Fields(out)
			if err != nil || len(words) != 9 || strings.Join(words[:6], " ") != "monotonic -2 500000000 boottime 86400 0" {
				t.Errorf("%T: %q, %v", list[0], out, err)
				continue
			}
			if words[6] == own {
				testenv.Skip(t, "a program does not get into its time namespace before Linux 6.2")
			}
			var uptime float64
			if _, err := fmt.Sscan(words[7], &uptime); err != nil || uptime < day {
				t.Errorf("%T: uptime %v, %v", list[0], uptime, err)
			}
		}
		for _, d := range []time.Duration{math.MinInt64, math.MaxInt64} {
			s := spawntest.Shell(":", attr.Unshare{Flags: flags}, attr.TimeOffsets{Monotonic: d})
			_, _, err := spawntest.TryOutput(s)
			var e *spawn.Error
			if !errors.As(err, &e) || e.Step != spawn.StepTimensOffsets || e.Index != 1 || !errors.Is(err, unix.ERANGE) || e.Hint == "" {
				t.Errorf("%v: %v", d, err)
			}
		}
	})
	for _, list := range []attr.List{{offsets}, {offsets, attr.Namespaces{Flags: unix.CLONE_NEWUTS}}, {offsets, offsets, attr.Unshare{Flags: flags}}} {
		if _, err := spawn.Compile(spawntest.Shell(":", list...)); !errors.Is(err, unix.EINVAL) {
			t.Errorf("%v: %v", list, err)
		}
	}
}
