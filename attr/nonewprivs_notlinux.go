//go:build !linux

package attr

func hasNoNewPrivs() bool { return false }
