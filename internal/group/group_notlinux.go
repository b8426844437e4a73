//go:build !linux

// Package group looks at who is in process groups that children lead.
package group

// Members is not known here.
func Members(int) (alive, denied int, known bool) { return 0, 0, false }
