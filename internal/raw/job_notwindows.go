//go:build !windows

package raw

// Job is for Windows.
type Job struct{}
