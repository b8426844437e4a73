//go:build (386 || amd64 || arm || arm64 || loong64 || ppc64le || riscv64 || s390x) && !android

package engine

import "github.com/safespawn/spawn/internal/raw"

// Orphan is a child whose pidfd somebody has left.
func Orphan(pid, pidfd int, claim raw.Claim) Child {
	return Child{PID: pid, Pidfd: pidfd, claim: claim}
}

// Share gives a child without a pidfd the one that package os has of it, which stays
// open until Close. It returns false where that can't be had any more.
func (c *Child) Share(owner *raw.OSChild) bool {
	c.owner = owner
	c.Pidfd, c.claim, c.holds = owner.Hold()
	return c.holds
}

// Shares reports whether the pidfd is that of package os, too.
func (c *Child) Shares() bool { return c.holds }

// Known returns how the child ended, if who shares the pidfd has found that out.
func (c *Child) Known() (x raw.Exit, ok bool) {
	if c.owner == nil {
		return raw.Exit{}, false
	}
	return c.owner.Known()
}
