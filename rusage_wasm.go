package spawn

import (
	"syscall"
	"time"
)

func userTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Utime.Nano()) }

func systemTime(u *syscall.Rusage) time.Duration { return time.Duration(u.Stime.Nano()) }

func maxRSS(*syscall.Rusage) int64 { return 0 }

func ownMaxRSS() int64 { return 0 }
