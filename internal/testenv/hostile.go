package testenv

import (
	"testing"
)

// Hostile is a row of the table that .ci/hostile prints: what a test has tried, and what was
// left. The last three are zeros where all is well.
type Hostile struct {
	Experiments, Spawns, Faults int
	Survivors                   int // processes that were to end, and starts and waits that did not
	Leaks                       int // what was there afterwards and not before, or no more
	Wrong                       int // other results than the documented
}

// Print prints the row, which the script finds by its first word.
func (h Hostile) Print(t testing.TB, name string) {
	t.Helper()
	t.Logf("HOSTILE %q %d %d %d %d %d %d", name, h.Experiments, h.Spawns, h.Faults, h.Survivors, h.Leaks, h.Wrong)
}
