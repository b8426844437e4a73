//go:build !linux

package testenv

import "testing"

// NeedOSWait skips nothing: no filter is against waiting.
func NeedOSWait(testing.TB) {}
