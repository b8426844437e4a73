//go:build !linux

package spawn

import "io/fs"

func mayExecute(_ string, mode fs.FileMode) error { return byMode(mode) }
