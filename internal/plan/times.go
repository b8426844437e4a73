package plan

import "time"

// Times are moments of a start, by the clock CLOCK_MONOTONIC. Those of the child are 0
// where it did not tell.
type Times struct {
	Clone time.Duration // before the clone
	First time.Duration // before the child's first step
	Last  time.Duration // before its last one
	End   time.Duration // when the child was known to be past execve, or dead
}
