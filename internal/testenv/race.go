package testenv

import (
	"runtime/debug"
	"slices"
	"sync"
)

// RaceEnabled reports whether the race detector makes everything slower.
var RaceEnabled = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
})
