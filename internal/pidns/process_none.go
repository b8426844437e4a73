//go:build !linux || !(386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) || android

package pidns

import (
	"errors"
	"os"
)

// Able reports that there is no namespace here.
func Able() error { return &Refusal{What: "the engine of Linux", Err: errors.ErrUnsupported} }

// Probe is Able.
func Probe() error { return Able() }

// Process has no namespace here.
func Process() (*os.File, error) { return nil, Able() }

// EndForTest has nothing to end.
func EndForTest() {}
