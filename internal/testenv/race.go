package testenv

import (
	"runtime/debug"
	"slices"
	"strings"
	"sync"
)

// RaceEnabled reports whether the race detector makes everything slower.
var RaceEnabled = built("-race")

// Sanitized reports whether the address or the memory sanitizer makes more be allocated, and
// sets the program's soft limit for core dumps to 0.
var Sanitized = built("-asan", "-msan")

// built reports whether one of the flags was given to go build.
func built(flags ...string) func() bool {
	return sync.OnceValue(func() bool {
		info, ok := debug.ReadBuildInfo()
		return ok && slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
			return s.Value == "true" && slices.Contains(flags, s.Key)
		})
	})
}

// Optimised reports whether the compiler has optimised and inlined, on which it
// depends what is allocated.
var Optimised = sync.OnceValue(func() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && !RaceEnabled() && !Sanitized() && !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool {
		return s.Key == "-gcflags" && strings.Contains(s.Value, "-N")
	})
})
