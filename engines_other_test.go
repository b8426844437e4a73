//go:build !linux || android || !(amd64 || arm64) || spawn_forkexec

package spawn_test

import "testing"

// eachEngine runs a test once: there is but one way here.
func eachEngine(t *testing.T, f func(t *testing.T)) { f(t) }
