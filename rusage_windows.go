package spawn

import (
	"syscall"
	"time"
)

func userTime(u *syscall.Rusage) time.Duration { return duration(u.UserTime) }

func systemTime(u *syscall.Rusage) time.Duration { return duration(u.KernelTime) }

// duration converts a number of 100 ns.
func duration(t syscall.Filetime) time.Duration {
	return time.Duration(int64(t.HighDateTime)<<32|int64(t.LowDateTime)) * 100
}

func maxRSS(*syscall.Rusage) int64 { return 0 }

func ownMaxRSS() int64 { return 0 }
