//go:build !linux

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// die ends this process by a signal, as a program was ended. It returns where the Go
// runtime does not end a process by that signal.
func die(sig syscall.Signal) {
	if !ends(sig) || sig == syscall.SIGQUIT {
		return
	}
	signal.Reset(sig)
	if self, err := os.FindProcess(os.Getpid()); err == nil && self.Signal(sig) == nil {
		select {} // until it arrives
	}
}
