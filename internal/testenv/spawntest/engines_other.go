//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawntest

import "testing"

// EachEngine runs a test once: there is but one way here.
func EachEngine(t *testing.T, f func(t *testing.T)) { f(t) }
