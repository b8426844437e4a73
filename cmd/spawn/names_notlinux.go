//go:build !linux

package main

import (
	"errors"
	"os"
)

// There are no such things here.
var namespaces, unshareable, mountOptions, mountClears, propagations []named

const mountBind, mountRecursive, mountRemount, mountMove uint = 0, 0, 0, 0

func restrictions(string) uint { return 0 }

func niceValue() (int, error) { return 0, errors.ErrUnsupported }

func allOf(int) (uint, error) { return 0, errors.ErrUnsupported }

const pidNamespace = 0

func bindNamespace(int, uint, string) error { return errors.ErrUnsupported }

func unbind(string) error { return errors.ErrUnsupported }

func openProcess(int) (*os.File, error) { return nil, errors.ErrUnsupported }
