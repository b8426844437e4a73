package attr

import (
	"os"
	"strings"

	"github.com/safespawn/spawn/internal/plan"
)

// JoinNamespace makes the child enter existing namespaces. The list may contain it
// several times, once for each type. A type must not also be in [Namespaces].
//
// It happens after the child has joined its cgroup, and before [Unshare]. If a user
// namespace is among the types, the child first enters the namespaces that it may
// enter without it. Then it enters the user namespace and the namespaces that
// belong to it.
//
// With a pid namespace, the child's own children are in it, and not the child. A
// time namespace can't be entered while the memory is shared.
//
// Linux 5.8 for a pidfd. Privilege: CAP_SYS_ADMIN in the user namespace of each
// namespace and in the child's own, and CAP_SYS_CHROOT for a mount namespace. See
// setns(2).
type JoinNamespace struct {
	// File is a file of /proc/PID/ns, or a pidfd for the namespaces of a process.
	// It stays yours; you may close it once Start has returned.
	File *os.File
	// Types are the CLONE_NEW* flags of the namespaces to enter. With a file of
	// /proc/PID/ns, 0 means the type of the file.
	Types uint
}

func (j JoinNamespace) check(c *plan.Claims) error {
	name := namespaces(j.Types)
	switch {
	case j.File == nil:
		return invalid(plan.StepSetns, name, "nil file")
	case j.Types&^allNamespaces != 0:
		return invalid(plan.StepSetns, name, "other flags than of namespaces: %#x", j.Types&^allNamespaces)
	case j.Types&plan.CloneNewTime != 0:
		return invalid(plan.StepSetns, name, "a time namespace can't be entered by a process that shares its memory")
	}
	if err := claimLast(c, j.Types, "attr.JoinNamespace", "cgroup", "ipc", "net"); err != nil {
		return err
	}
	if j.Types&plan.CloneNewPID != 0 {
		if err := c.Claim(childrensPIDs, "attr.JoinNamespace"); err != nil {
			return err
		}
	}
	for n := range strings.SplitSeq(name, ",") {
		if n == "" {
			continue
		}
		c.Provide(ownNamespace(n))
		if err := c.Claim("the "+n+" namespace of the start", "attr.JoinNamespace"); err != nil {
			return err
		}
	}
	return nil
}

// ownNamespace is what attributes need that would otherwise change something for
// others, too.
func ownNamespace(name string) string { return "a " + name + " namespace of its own" }

func (j JoinNamespace) lower(p *plan.Plan) {
	if j.Types == 0 || j.Types&plan.CloneNewUser != 0 {
		p.Credentials = true
	}
	p.AddJoin(j.File, uint64(j.Types), namespaces(j.Types))
}
