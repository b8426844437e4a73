package forkexec

import (
	"os"

	"golang.org/x/sys/windows"
)

// SeesEnd says that AwaitEnd works.
const SeesEnd = true

// AwaitEnd waits until the child has ended. It costs a thread.
func (c Child) AwaitEnd() bool { return c.await(windows.INFINITE) }

func (c Child) await(milliseconds uint32) (ended bool) {
	err := c.proc.WithHandle(func(h uintptr) {
		event, err := windows.WaitForSingleObject(windows.Handle(h), milliseconds)
		ended = err == nil && event == windows.WAIT_OBJECT_0
	})
	return err == nil && ended
}

// signal is os.Process.Signal, whose error does not say that the child has ended.
func (c Child) signal(sig os.Signal) error {
	if sig != os.Kill && c.await(0) {
		return os.ErrProcessDone
	}
	err := c.proc.Signal(sig)
	if err != nil && c.await(0) {
		return os.ErrProcessDone
	}
	return err
}
