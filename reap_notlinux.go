//go:build !linux || android

package spawn

import "context"

func reapOrphans(context.Context) error { return missing("Reap", "pidfds", "5.4") }
