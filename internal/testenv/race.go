package testenv

import (
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// RaceEnabled reports whether the race detector makes everything slower.
var RaceEnabled = built("-race")

// ASanEnabled reports whether the address sanitizer makes more be allocated.
var ASanEnabled = built("-asan")

func built(flag string) func() bool {
	return sync.OnceValue(func() bool {
		info, ok := debug.ReadBuildInfo()
		return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: flag, Value: "true"})
	})
}

// Optimised reports whether the compiler has optimised and inlined, on which it
// depends what is allocated.
var Optimised = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && !RaceEnabled() && !ASanEnabled() && !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "-gcflags" && strings.Contains(s.Value, "-N")
	})
})
