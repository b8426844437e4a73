//go:build !linux

package spawn

import (
	"context"
	"errors"
	"fmt"
)

// dumpable has nothing to keep: children do not share memory.
var dumpable dumpableFlag

type dumpableFlag struct{}

type dumpableUse struct{ changes bool }

type dumpableHold struct{}

func (*dumpableFlag) begin(context.Context, dumpableUse) (*dumpableHold, error) { return nil, nil }

func (*dumpableHold) end() {}

func flagError(_ string, err error) error { return err }

// SetDumpable sets or clears the dumpable flag of this process, where there is one:
// on Linux. Elsewhere the error matches [errors.ErrUnsupported].
func SetDumpable(bool) error {
	return fmt.Errorf("the dumpable flag is Linux's: %w", errors.ErrUnsupported)
}
