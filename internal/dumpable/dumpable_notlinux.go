//go:build !linux

// Package dumpable keeps the dumpable flag of this process over children that share
// its memory. Elsewhere than on Linux there is no such flag.
package dumpable

import (
	"context"

	"github.com/safespawn/spawn/attr"
)

// Use is what a start does with regard to the flag.
type Use struct{ Changes bool }

// Hold is a start between Begin and End.
type Hold struct{}

// Begin has nothing to keep: children do not share memory.
func Begin(context.Context, Use) (*Hold, error) { return nil, nil }

// End has nothing to restore.
func (*Hold) End() {}

// Set fails.
func Set(bool) error {
	return &attr.UnsupportedError{What: "the dumpable flag", Since: "any Linux"}
}
