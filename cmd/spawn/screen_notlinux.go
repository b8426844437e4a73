//go:build !linux

package main

import (
	"os"

	"github.com/safespawn/spawn"
)

// screen is the terminal that a program has with --pty. There is none here.
type screen struct{}

func newScreen() (*screen, error) {
	return nil, &spawn.UnsupportedError{What: "--pty", Since: "Linux"}
}

func (*screen) close() {}

func (*screen) restore() {}

func (*screen) file() *os.File { return nil }

func (*screen) begin() {}

func (*screen) finish(*relay, bool) {}

func (*screen) takes(os.Signal) bool { return false }

func stopping() []os.Signal { return nil }
