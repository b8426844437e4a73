//go:build !linux

package attr

import "errors"

func currentCreds() (c execCreds, ok bool) { return c, false }

func boundingSet() (uint64, error) { return 0, errors.ErrUnsupported }
