//go:build !unix

// Package highfd opens files at descriptors from 3 up, where that is a question.
package highfd

import "os"

// ReadFile is os.ReadFile.
func ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }
