//go:build !linux && !windows

package tree

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func newHolder(*Limits) (holder, error) {
	return nil, fmt.Errorf("%s has neither control groups nor jobs: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Dir is nil: there are no control groups.
func (t *Tree) Dir() *os.File { return nil }
