//go:build !linux && !windows

package tree

import (
	"errors"
	"fmt"
	"os"
	"runtime"
)

func newHolder(l *Limits) (holder, error) {
	if err := l.unsupported(runtime.GOOS + " has neither control groups nor jobs"); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s has neither control groups nor jobs: %w", runtime.GOOS, errors.ErrUnsupported)
}

// Dir is nil: there are no control groups.
func (t *Tree) Dir() *os.File { return nil }
