//go:build !linux

package spawn

// dumpable has nothing to keep: children do not share memory.
var dumpable dumpableFlag

type dumpableFlag struct{}

func (*dumpableFlag) hold() {}

func (*dumpableFlag) release() {}
