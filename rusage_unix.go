//go:build unix

package spawn

import (
	"math"
	"runtime"
	"syscall"
	"time"
)

func userTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano()) }

func systemTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Stime.Nano()) }

// ownMaxRSS is maxRSS of this process.
func ownMaxRSS() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return math.MaxInt64
	}
	return maxRSS(&u)
}

// maxRSS knows who tells, and in which unit.
func maxRSS(u *syscall.Rusage) int64 {
	switch runtime.GOOS {
	case "darwin", "ios":
		return int64(u.Maxrss)
	case "solaris", "illumos":
		return 0
	}
	return int64(u.Maxrss) << 10
}
