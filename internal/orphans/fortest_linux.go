package orphans

import "time"

// GraceForTest has children without an owner be reaped sooner, or later.
func GraceForTest(d time.Duration) (restore func()) {
	was := grace
	grace = d
	return func() { grace = was }
}
