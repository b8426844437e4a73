//go:build !linux

package main

import (
	"errors"
	"io"
	"os"
)

// dumpHere is the flag with which spawn would be the program of spawn --dump.
const dumpHere = "dump-here"

func (o *options) ownProgram() (*os.File, error) { return nil, errors.ErrUnsupported }

func dump(io.Writer) error { return errors.ErrUnsupported }
