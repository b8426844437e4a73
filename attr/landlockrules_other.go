//go:build !linux || android

package attr

import (
	"errors"
	"fmt"
)

func newLandlock(LandlockRules) (*LandlockRuleset, error) {
	return nil, fmt.Errorf("only Linux has Landlock: %w", errors.ErrUnsupported)
}
