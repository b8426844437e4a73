//go:build !linux

package spawn

import "context"

// dumpable has nothing to keep: children do not share memory.
var dumpable dumpableFlag

type dumpableFlag struct{}

type dumpableUse struct{ writes, changes bool }

func (*dumpableFlag) begin(context.Context, dumpableUse) {}

func (*dumpableFlag) end(dumpableUse) {}
