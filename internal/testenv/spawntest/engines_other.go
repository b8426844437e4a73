//go:build !linux || android || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || spawn_forkexec

package spawntest

import "testing"

// EachEngine runs a test once: there is but one way here.
func EachEngine(t *testing.T, f func(t *testing.T)) { f(t) }

// NeedPidfd is for tests of the engine: package os does what it can.
func NeedPidfd(testing.TB) {}
