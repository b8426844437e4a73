//go:build !android

package spawn

import (
	"context"
	"errors"

	"github.com/safespawn/spawn/internal/orphans"
)

func reapOrphans(ctx context.Context) error {
	err := orphans.Reap(ctx, hasNoPidfd)
	switch {
	case errors.Is(err, orphans.ErrNoPidfds):
		return missing("Reap", "pidfds", "5.4")
	case errors.Is(err, orphans.ErrNoProc):
		return missing("Reap", "a /proc of this process's pid namespace", "")
	}
	return err
}
