//go:build (amd64 || arm64) && !spawn_forkexec

package spawn_test

import (
	"maps"
	"slices"
	"testing"

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
