package forkexec

import "os"

// SignalGroup is for Unix: no child leads a group here.
func (c Child) SignalGroup(os.Signal) error { return os.ErrProcessDone }
