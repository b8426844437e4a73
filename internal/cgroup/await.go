package cgroup

import "time"

// Await calls done until it returns true, but not for longer than d, and reports
// whether it did.
func Await(d time.Duration, done func() bool) bool {
	pause := 50 * time.Microsecond
	for begin := time.Now(); ; pause = min(2*pause, 5*time.Millisecond) {
		if done() {
			return true
		}
		if time.Since(begin) >= d {
			return false
		}
		time.Sleep(pause)
	}
}
