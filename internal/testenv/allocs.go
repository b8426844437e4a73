package testenv

import (
	"math"
	"testing"
)

// Allocations is how often f allocates, which starts children. It is the least of some
// counts: while the machine is busy a child may outlive the short wait, which costs a few
// more.
func Allocations(f func()) float64 {
	least := math.Inf(1)
	for range 5 {
		least = min(least, testing.AllocsPerRun(50, f))
	}
	return least
}
