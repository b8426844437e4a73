package attr

import (
	"syscall"

	"github.com/safespawn/spawn/internal/plan"
)

// execCreds is what execve looks at when it decides whether the program gets more
// than its process had, and clears the parent-death signal if so.
type execCreds struct {
	ruid, euid, rgid, egid            uint32
	permitted, inheritable, bounding  uint64
	noRoot, noNewPrivs, userNamespace bool
	idsKnown                          bool // in a user namespace, whether they were set there
	label                             bool // a security module changes the domain
}

const (
	secbitNoRoot = 1
	allCaps      = ^uint64(0)
)

// checkDying finds attributes with which execve clears the parent-death signal, as far as
// they and this thread tell.
func (s ParentDeathSignal) checkDying(l List, i int, _ *plan.Claims) error {
	creds, ok := currentCreds()
	if !ok {
		return nil
	}
	for _, a := range l {
		if n, ok := a.(withUserNamespace); ok && n.entersUserNamespace() {
			creds.enterUserNamespace()
		}
	}
	for _, a := range l {
		if c, ok := a.(changesCreds); ok {
			c.change(&creds)
		}
	}
	why := creds.clears()
	if why == "" {
		return nil
	}
	return at(i, invalid(plan.StepPdeathsig, signalName(syscall.Signal(s)), "execve would clear the signal: %s", why))
}

// clears is why the signal is cleared, empty where it isn't. It is as in the
// kernel's security/commoncap.c and commit_creds.
func (c *execCreds) clears() string {
	root := (c.ruid == 0 || c.euid == 0) && !c.noRoot && (!c.userNamespace || c.idsKnown)
	switch {
	case c.ruid != c.euid:
		return "the real and the effective uid differ"
	case c.rgid != c.egid:
		return "the real and the effective gid differ"
	case root && !c.noNewPrivs && (c.bounding|c.inheritable)&^c.permitted != 0:
		return "as root, the program has capabilities that are not permitted before"
	case c.label:
		return "the program runs in another domain of a security module"
	}
	return ""
}

// changesCreds is implemented by attributes that change what execve looks at.
type changesCreds interface{ change(c *execCreds) }

// withUserNamespace is implemented by those that may enter a user namespace, where
// all begins anew.
type withUserNamespace interface{ entersUserNamespace() bool }

func (c *execCreds) enterUserNamespace() {
	c.userNamespace, c.noRoot = true, false
	c.permitted, c.inheritable, c.bounding = allCaps, 0, allCaps
}

func (n Namespaces) entersUserNamespace() bool { return n.Flags&plan.CloneNewUser != 0 }

func (u Unshare) entersUserNamespace() bool { return u.Flags&plan.CloneNewUser != 0 }

func (j JoinNamespace) entersUserNamespace() bool {
	types := j.types()
	return types == 0 || types&plan.CloneNewUser != 0
}

func (cr Credential) change(c *execCreds) {
	c.ruid, c.euid, c.rgid, c.egid, c.idsKnown = cr.UID, cr.UID, cr.GID, cr.GID, true
}

func (ResetIDs) change(c *execCreds) { c.euid, c.egid = c.ruid, c.rgid }

func (i IDs) change(c *execCreds) {
	for _, x := range []struct {
		to *uint32
		id uint32
	}{{&c.ruid, i.RUID}, {&c.euid, i.EUID}, {&c.rgid, i.RGID}, {&c.egid, i.EGID}} {
		if x.id != KeepID {
			*x.to = x.id
		}
	}
	c.idsKnown = i.RUID != KeepID && i.EUID != KeepID
}

func (l AmbientCaps) change(c *execCreds) {
	c.permitted |= capBits(l)
	c.inheritable |= capBits(l)
}

func (s Capabilities) change(c *execCreds) {
	if s.Permitted != nil {
		c.permitted = capBits(s.Permitted)
	}
	if s.Inheritable != nil {
		c.inheritable = capBits(s.Inheritable)
	}
	if s.Bounding != nil {
		c.bounding &= capBits(s.Bounding)
	}
}

func (s SecureBits) change(c *execCreds) { c.noRoot = s&secbitNoRoot != 0 }

func (NoNewPrivs) change(c *execCreds) { c.noNewPrivs = true }

func (SELinuxContext) change(c *execCreds) { c.label = true }

func (l AppArmorProfile) change(c *execCreds) { c.label = l != "unconfined" }

// capBits is a set as the kernel has it.
func capBits(list []Capability) (set uint64) {
	for _, n := range list {
		set |= 1 << n
	}
	return set
}
