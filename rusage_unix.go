//go:build unix

package spawn

import (
	"runtime"
	"syscall"
	"time"
)

func userTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano()) }

func systemTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Stime.Nano()) }

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
