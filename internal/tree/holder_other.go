//go:build !linux && !windows

package tree

import (
	"errors"
	"fmt"
	"runtime"
)

func newHolder() (holder, error) {
	return nil, fmt.Errorf("%s has neither control groups nor jobs: %w", runtime.GOOS, errors.ErrUnsupported)
}
