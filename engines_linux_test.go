//go:build (amd64 || arm64) && !android && !spawn_forkexec

package spawn_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/safespawn/spawn"
)

// eachEngine runs a test once for each fallback of the engine.
func eachEngine(t *testing.T, f func(t *testing.T)) {
	for _, name := range slices.Sorted(maps.Keys(spawn.Without)) {
		t.Run("without "+name, func(t *testing.T) {
			defer spawn.Force(spawn.Without[name])()
			f(t)
		})
	}
}

// await is what comes from c.
func await[T any](t testing.TB, what string, c <-chan T) (x T) {
	t.Helper()
	select {
	case x = <-c:
	case <-time.After(patience):
		t.Fatal("nothing happened for long: " + what)
	}
	return x
}
