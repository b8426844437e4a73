//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android && !spawn_forkexec

package exec

import (
	"io"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/safespawn/spawn/internal/raw"
)

// take copies what there is, and reports whether there will be no more.
func (j *copyJob) take() (ended bool, err error) {
	switch out := j.out.(type) {
	case io.ReaderFrom:
		_, err = out.ReadFrom(j.pipe)
	case *strings.Builder:
		var buf [1024]byte
		for n := 0; err == nil; {
			n, err = j.pipe.Read(buf[:])
			out.Write(buf[:n])
		}
		if err == io.EOF {
			err = nil
		}
	}
	return err != errNothingYet, err
}

// maxDrains bounds how many goroutines drain pipes in a loop at the same time, and
// shortDrainTime for how long each does. A program that lives for microseconds
// has ended by then, and to make its pipes known to the poller, with a goroutine
// for each, takes longer than it lives.
const (
	maxDrains      = 16
	shortDrainTime = 100 * time.Microsecond
)

var drains atomic.Int32

// drain does for a short time what was left to do, and forgets what it has
// finished.
func (s *streams) drain() {
	defer drains.Add(-1)
	if drains.Add(1) > maxDrains {
		return
	}
	raw.Spin(shortDrainTime, func() bool {
		s.left = slices.DeleteFunc(s.left, func(j copyJob) bool {
			ended, err := j.take()
			if ended {
				j.pipe.Close() // the end may be that of the writer
				s.group.end(&j, err, true)
			}
			return ended
		})
		return len(s.left) == 0
	})
}
