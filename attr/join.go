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
	// /proc/PID/ns, 0 means the type of the file. Before Linux 4.11 Compile does not know
	// this type, and looks for no contradiction.
	Types uint
}

// types are the Types, or that of the file; 0 if it is not known.
func (j JoinNamespace) types() uint {
	if j.Types == 0 && j.File != nil {
		return typeOfNamespace(j.File)
	}
	return j.Types
}

func (j JoinNamespace) check(c *plan.Claims) error {
	types := j.types()
	name := namespaces(types)
	switch {
	case j.File == nil:
		return invalid(plan.StepSetns, name, "nil file")
	case types&^allNamespaces != 0:
		return invalid(plan.StepSetns, name, "other flags than of namespaces: %#x", types&^allNamespaces)
	case types&plan.CloneNewTime != 0:
		return invalid(plan.StepSetns, name, "a time namespace can't be entered by a process that shares its memory")
	}
	if err := claimLast(c, types, "attr.JoinNamespace", "cgroup", "ipc", "net"); err != nil {
		return err
	}
	if types&plan.CloneNewPID != 0 {
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
	if j.entersUserNamespace() {
		p.Credentials = true
	}
	types := j.types()
	p.AddJoin(j.File, uint64(types), namespaces(types))
}
