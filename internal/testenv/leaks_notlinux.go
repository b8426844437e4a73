//go:build !linux

package testenv

// Leftovers is what this process has now that no test must leave behind; here nothing
// is looked at.
func Leftovers() []string { return nil }

// wholeChanges finds nothing.
func wholeChanges(...string) func() []string { return func() []string { return nil } }

// FilesAndChildren is as Leftovers.
func FilesAndChildren() []string { return nil }
